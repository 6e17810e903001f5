"""A way to PostgreSQL that can be cut, black-holed, slowed down or made to reset."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from urllib.parse import parse_qs, urlsplit, urlunsplit

_HOST = "127.0.0.1"

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Fault(Enum):
    """The fault of the connection."""

    CLOSED = auto()  # nobody listens, open connections end
    HELD = auto()  # a black hole: connections are taken, and no byte passes until the way is open
    RESETTING = auto()  # connections are taken and thrown away
    SLOW = auto()  # every read waits before it is passed on


class Proxy:
    """Relays TCP to a server, until a fault is set; `dsn` goes this way.

    Args:
        dsn: the server's, over its socket or over TCP.
        delay: what `Fault.SLOW` adds to each read in each direction, in seconds.
    """

    def __init__(self, dsn: str, delay: float = 0.0) -> None:
        self._parts = urlsplit(dsn)
        self.delay = delay
        self.dsn = ""
        self._port = 0
        self._fault: Fault | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    async def begin(self, fault: Fault) -> None:
        """Let the way fail."""
        self._fault = fault
        if fault is Fault.HELD:
            self._open.clear()
        if fault in {Fault.CLOSED, Fault.RESETTING}:
            self._drop_all()
        if fault is Fault.CLOSED:
            await self._stop_listening()

    async def end(self) -> None:
        """Open the way; what was held passes on, as TCP would send it again."""
        self._fault = None
        self._open.set()
        await self._listen()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        """Listen, on a port that the system picks and that stays."""
        await self._listen()
        user = self._parts.username or ""
        near = self._parts._replace(netloc=f"{user}@{_HOST}:{self._port}", query="")
        self.dsn = urlunsplit(near)
        try:
            yield self
        finally:
            self._drop_all()
            await self._stop_listening()
            for pump in list(self._pumps):
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._relay, _HOST, self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _drop_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _connect(self) -> Pair:
        options = parse_qs(self._parts.query)
        if folder := options.get("host"):
            return await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.{options['port'][0]}")
        return await asyncio.open_connection(self._parts.hostname, self._parts.port)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._fault is Fault.RESETTING:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await self._connect()
        except OSError:  # the server is away: so is whoever relays to it
            writer.transport.abort()
            return
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            self._writers.add(sink)
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if self._fault is Fault.SLOW:
                    await asyncio.sleep(self.delay)
                await self._open.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
        self._writers.discard(sink)
