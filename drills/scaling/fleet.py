"""Several instances of Keyfob on one database, each of which can be stopped, killed, restarted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager

from bench.harness.cluster import free_port
from bench.harness.servers import Server

from drills.harness.instances import instance, kill

# What every instance of one service must share; the secret key comes with the harness.
_SHARED = {"ISSUER": "http://auth.example.com/auth"}


class Member:
    """One instance, which keeps its port. Nothing here blocks the loop in which clients work."""

    def __init__(self, dsn: str, settings: dict[str, object]) -> None:
        self.port = free_port()
        self._dsn, self._settings = dsn, {**_SHARED, **settings, "PORT": self.port}
        self._running: AbstractContextManager[Server] | None = None
        self._server: Server | None = None

    async def start(self) -> None:
        """Start it, and return when it is ready."""
        self._running = instance(self._dsn, **self._settings)
        self._server = await asyncio.to_thread(self._running.__enter__)

    async def stop(self) -> int | None:
        """Ask it to stop, as a container does, and return its exit code; None if none ran."""
        if self._running is None or self._server is None:
            return None
        server, running = self._server, self._running
        self._server = self._running = None
        await asyncio.to_thread(running.__exit__, None, None, None)
        code: int | None = server.process.returncode
        return code

    async def crash(self) -> None:
        """Kill it without a word."""
        assert self._server is not None
        kill(self._server.process.pid)
        await self.stop()


@asynccontextmanager
async def fleet(dsn: str, members: int, **settings: object) -> AsyncIterator[list[Member]]:
    """Run so many instances of one worker each; whoever still runs at the end is stopped."""
    everybody = [Member(dsn, settings) for _ in range(members)]
    try:
        await everybody[0].start()  # makes the schema and the first administrator
        await asyncio.gather(*(member.start() for member in everybody[1:]))
        yield everybody
    finally:
        await asyncio.gather(*(member.stop() for member in everybody))
