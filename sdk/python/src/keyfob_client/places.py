"""Places for exchanges: few at once, the newest first, and no wait for long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from keyfob_client.errors import IssuerNotReached

LONGEST_WAIT = 5.0  # seconds


class Places:
    """A number of places, of which each is given to whoever came last.

    Threat: a crowd of one stranger waits. Whoever comes next is served after one of them, and not
    after all: each of the crowd asks again only once it was answered.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Hold a place.

        Raises:
            IssuerNotReached: none was free for `LONGEST_WAIT` seconds.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait()
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait_for(asyncio.shield(turn), LONGEST_WAIT)
        except (TimeoutError, asyncio.CancelledError) as why:
            if turn.done():  # it was given in this moment
                self._pass_on()
            else:
                self._waiting.remove(turn)
            if isinstance(why, TimeoutError):
                raise IssuerNotReached("too many API keys wait to be exchanged") from None
            raise

    def _pass_on(self) -> None:
        if self._waiting:
            self._waiting.pop().set_result(None)
        else:
            self._free += 1
