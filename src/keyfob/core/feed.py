"""The feed: every worker hears what any worker commits, by PostgreSQL's LISTEN and NOTIFY.

A NOTIFY is delivered at the commit or not at all. A connection that breaks may miss some, so after
every (re)connect, once LISTEN has begun, the listeners read everything again: nothing is missed in
between. A connection can also hang without breaking, so it is regularly asked for the database's
time, to which this worker's clock is set.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import asyncpg
import structlog
from prometheus_client import Gauge

from keyfob.core import queries
from keyfob.core.database import Database, Executor, translated_faults
from keyfob.core.hosts import connect
from keyfob.core.problems import DatabaseUnavailable
from keyfob.core.secrets import random_text

FEED_LIVE = Gauge(
    "keyfob_revocation_feed_live",
    "1 while the worker hears revocations; the least of all workers.",
    multiprocess_mode="livemin",
)

log = structlog.get_logger("keyfob.feed")

CHANNEL = "keyfob"
_NAME = "keyfob feed"
_LONGEST_PAUSE = 2.0


async def count_listeners(db: Executor) -> int:
    """Count the workers of all instances that listen to this database."""
    return await queries.count_connections(db, _NAME)


async def hears(dsn: str, db: Database, *, within: float) -> bool:
    """Tell whether a connection to `dsn` hears, within `within` seconds, what `db` commits.

    Raises:
        CannotConnect: the URL asks for something that is not supported.
        DatabaseUnavailable: one of the two does not answer.
    """
    heard, notice = asyncio.Event(), f"hello {random_text(12)}"

    def hear(_: object, __: int, ___: str, payload: object) -> None:
        if payload == notice:
            heard.set()

    connection = await connect(dsn, timeout=within, command_timeout=within)
    try:
        await connection.add_listener(CHANNEL, hear)
        await queries.notify(db, notice)
        with suppress(TimeoutError):
            await asyncio.wait_for(heard.wait(), within)
    finally:
        connection.terminate()
    return heard.is_set()


class Feed:
    """One listening connection of one worker.

    `hear(kind, listener)` registers a listener for notices of the form `"kind rest"`. The `reload`
    callables run after each connect and every half minute, in case a notice never came. `fault` is
    the reason why the feed was last not live.

    Args:
        dsn: the URL to connect to; a new value is used from the next connection on.
        timeout: the seconds within which the database has to answer.
        beat: the seconds between two requests for the time.
        beats_per_reload: the number of beats between two calls of the `reload` callables.
    """

    def __init__(
        self, dsn: str, *, timeout: float, beat: float = 1.0, beats_per_reload: int = 30
    ) -> None:
        self.dsn = dsn
        self._timeout = timeout
        self._beat = beat
        self._beats_per_reload = beats_per_reload
        self._listeners: dict[str, Callable[[str], None]] = {}
        self._reloads: list[Callable[[], Awaitable[None]]] = []
        self._on_notice: list[Callable[[], Awaitable[None]]] = []
        self._on_time: list[Callable[[datetime, float], None]] = []
        self._polls: list[Callable[[Executor], Awaitable[None]]] = []
        self._wanted = asyncio.Event()
        self._tried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.is_live = False
        self.fault = "it was not started"

    def hear(self, kind: str, listener: Callable[[str], None]) -> None:
        """Call `listener` with the text after the kind, for each notice of that kind."""
        self._listeners[kind] = listener

    def hear_and_reload(self, kind: str, reload: Callable[[], Awaitable[None]]) -> None:
        """Call `reload` for each notice of that kind, and when notices may have been missed."""
        self._reloads.append(reload)
        self._listeners[kind] = lambda _: self._wanted.set()
        self._on_notice.append(reload)

    def reload_with(self, reload: Callable[[], Awaitable[None]]) -> None:
        """Call `reload` when notices may have been missed."""
        self._reloads.append(reload)

    def hear_time(self, listener: Callable[[datetime, float], None]) -> None:
        """Call `listener` with the database's time and the seconds that the answer took."""
        self._on_time.append(listener)

    def poll_with(self, poll: Callable[[Executor], Awaitable[None]]) -> None:
        """Call `poll` regularly if there are no notices (`core.polling`)."""
        self._polls.append(poll)

    def tell(self, notice: str) -> None:
        """Pass a notice to the listener of its kind, if there is one."""
        kind, _, rest = notice.partition(" ")
        listener = self._listeners.get(kind)
        if listener is not None:
            listener(rest)

    async def start(self) -> None:
        """Connect, and stay connected in the background until `stop`.

        Returns when the feed is live or the first attempt has failed, at the latest after
        `timeout`: a worker that accepted requests earlier would refuse the first ones, since it has
        no keys yet.
        """
        FEED_LIVE.set(0)
        self._task = asyncio.create_task(self._stay_connected(), name="feed")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), self._timeout)

    async def stop(self) -> None:
        """Disconnect."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _stay_connected(self) -> None:
        pause = 0.05
        while True:
            try:
                await self._follow()
            except (DatabaseUnavailable, asyncpg.PostgresError) as fault:
                self.fault = repr(fault.__cause__ or fault)
                if self.is_live:
                    log.warning("feed_lost", cause=self.fault)
                    pause = 0.05
            except Exception as fault:
                self.fault = repr(fault)
                # A listener may raise anything, such as for a key that cannot be decrypted. Then
                # the worker is not ready, which is visible, and tries again. If the feed ended, it
                # would do neither.
                log.exception("feed_failed")
            self._set_live(False)
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _follow(self) -> None:
        with translated_faults():
            connection = await connect(
                self.dsn,
                timeout=self._timeout,
                command_timeout=self._timeout,
                server_settings={"application_name": _NAME},
            )
            try:
                connection.add_termination_listener(lambda _: self._wanted.set())
                await connection.add_listener(CHANNEL, self._hear)
                self._wanted.clear()
                await self._ask_the_time(connection)
                await self._reload()
                self._set_live(True)
                await self._watch(connection)
            finally:
                connection.terminate()

    async def _watch(self, connection: "asyncpg.Connection[Any]") -> None:
        beats = 0
        while True:
            # Not wait_for: in Python 3.11 it loses a cancellation that coincides with a notice.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._beat):
                    await self._wanted.wait()
            if connection.is_closed():
                raise DatabaseUnavailable("The feed's connection was cut")
            if self._wanted.is_set():
                self._wanted.clear()
                for reload in self._on_notice:
                    await reload()
                continue
            await self._ask_the_time(connection)
            beats += 1
            if beats % self._beats_per_reload == 0:
                await self._reload()

    async def _ask_the_time(self, connection: Executor) -> None:
        asked = time.monotonic()
        theirs = await queries.read_time(connection)
        took = time.monotonic() - asked
        for tell in self._on_time:
            tell(theirs, took)

    async def _reload(self) -> None:
        for reload in self._reloads:
            await reload()

    def _hear(self, _: object, __: int, ___: str, payload: object) -> None:
        self.tell(str(payload))

    def _set_live(self, live: bool) -> None:
        if live != self.is_live:
            log.info("feed_live" if live else "feed_down")
        self.is_live = live
        self._tried.set()
        FEED_LIVE.set(int(live))
