"""The feed of a worker that cannot listen: it asks the database again and again.

A pooler in transaction mode accepts LISTEN and delivers nothing. So each room that must hear of
changes polls for them, over one connection of the worker, often enough that revoked tokens are
refused everywhere within a second. Each room decides how it recognises what is new.
"""

import asyncio
from typing import Any

import asyncpg

from keyfob.core.connections import Pooler, session_options
from keyfob.core.database import translated_faults
from keyfob.core.feed import Feed
from keyfob.core.hosts import connect

_POLLS_PER_QUESTION_OF_TIME = 3


class PolledFeed(Feed):
    """Runs the callables of `poll_with` at each beat, and hears no notices.

    It is live from the first complete reading until a poll fails or is not answered within
    `timeout` seconds. Then it starts again, with a new connection and a complete reading.
    """

    def __init__(
        self,
        dsn: str,
        *,
        timeout: float,
        pooler: Pooler = "none",
        beat: float = 0.4,
        beats_per_reload: int = 75,
    ) -> None:
        super().__init__(dsn, timeout=timeout, beat=beat, beats_per_reload=beats_per_reload)
        self._session = session_options(pooler, "keyfob feed")

    async def _follow(self) -> None:
        with translated_faults():
            connection = await connect(
                self.dsn, timeout=self._timeout, command_timeout=self._timeout, **self._session
            )
            try:
                await self._ask_the_time(connection)
                # The marks are set before everything is read: rows written meanwhile come after the
                # marks.
                await self._poll(connection)
                await self._reload()
                self._set_live(True)
                await self._keep_polling(connection)
            finally:
                connection.terminate()

    async def _keep_polling(self, connection: "asyncpg.Connection[Any]") -> None:
        polls = 0
        while True:
            await asyncio.sleep(self._beat)
            await self._poll(connection)
            polls += 1
            if polls % _POLLS_PER_QUESTION_OF_TIME == 0:
                await self._ask_the_time(connection)
            if polls % self._beats_per_reload == 0:
                await self._reload()

    async def _poll(self, connection: "asyncpg.Connection[Any]") -> None:
        for poll in self._polls:
            await poll(connection)
