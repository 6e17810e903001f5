"""One worker process: uvicorn with uvloop and httptools, guarded, and drained without resets."""

import asyncio
import contextlib
import ctypes
import functools
import gc
import importlib
import math
import resource
import signal
import socket
import time
from collections.abc import Callable, Generator, Sequence
from types import FrameType
from typing import Any, NamedTuple

import structlog
import uvicorn

from keyfob.core.http.clients import Clients
from keyfob.core.stopping import ending_heard_by
from keyfob.serving.accepting import LEAVING, Acceptor, Ledger
from keyfob.serving.beginnings import Beginnings
from keyfob.serving.connections import Bounds, Connections
from keyfob.serving.lifetime import GuardedConfig
from keyfob.serving.protocol import GuardedProtocol
from keyfob.settings import Settings

log = structlog.get_logger("keyfob.serving")

# File descriptors reserved for everything but clients: database, logs, feeds.
_SPARE_FILES = 256

_IDLE_TIMEOUT = 30

# The number of descriptors that fit into one message.
_MOST_LISTENERS = 253


class Parent(NamedTuple):
    """The connection of a worker with its supervisor.

    The `lifeline` brings the listening sockets; if it ends, the supervisor has ended, which stops
    the worker like a signal. By the `ledger`, connections are distributed evenly among workers.
    """

    lifeline: socket.socket
    ledger: Ledger


def run_worker(
    settings: Settings,
    *,
    app: str,
    on_started: Callable[[], None],
    sockets: Sequence[socket.socket] = (),
    parent: Parent | None = None,
) -> int:
    """Serve until a signal, finish current requests, and return the exit code.

    `app` names a function `module:function` that takes the settings and returns the application.
    `on_started` is called when the application has started. Connections are accepted on `sockets`,
    or on those that come from a `parent` later. The listening sockets are closed at the end.
    Returns 0, or 1 if the application did not start.
    """
    # If there is a parent, the parent waits.
    delay = settings.drain_delay if parent is None else 0
    server = _Server(_configure(settings, app), sockets, on_started, parent, delay)
    try:
        server.run(sockets=[])  # it accepts nothing by itself
    except SystemExit as end:
        # uvicorn signals in this way that the application did not start, which is logged; or a
        # signal came just before its handlers were set.
        return 1 if end.code else 0
    return 0


def _configure(settings: Settings, app: str) -> GuardedConfig:
    config = GuardedConfig(
        _load_factory(app)(settings),
        loop="uvloop",
        http=GuardedProtocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        log_level=settings.log_level,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.shutdown_grace,
    )
    config.hsts = settings.strict_transport
    clients = Clients(
        settings.trusted_proxies, settings.forwarded_header, by_socket=settings.listens_on_socket
    )
    config.beginnings = Beginnings(clients.address_of)
    config.proxies = settings.trusted_proxies
    config.guard = Connections(
        Bounds(
            max_connections=allow_connections(settings.max_connections),
            request_timeout=settings.request_timeout,
            answer_timeout=3 * settings.request_timeout,
            idle_timeout=_IDLE_TIMEOUT,
        )
    )
    return config


def _load_factory(app: str) -> Callable[[Settings], Any]:
    module, _, name = app.partition(":")
    factory: Callable[[Settings], Any] = getattr(importlib.import_module(module), name)
    return factory


def allow_connections(wanted: int) -> int:
    """Raise this process's limit of open files if needed; return how many connections fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft < needed:
        wanted = max(8, soft - _SPARE_FILES)
        log.warning("fewer_connections", max_connections=wanted, open_files=soft)
    return wanted


class _Server(uvicorn.Server):
    """uvicorn's server, with our start and stop, and with exit code 0 after a stop by signal."""

    def __init__(
        self,
        config: GuardedConfig,
        listeners: Sequence[socket.socket],
        on_started: Callable[[], None],
        parent: Parent | None,
        drain_delay: float,
    ) -> None:
        super().__init__(config)
        self._drain_delay = drain_delay
        self._leaves_at = math.inf
        self._settled = config
        self._guard = config.guard
        self._listeners = listeners
        self._on_started = on_started
        self._lifeline = parent.lifeline if parent else None
        self._ledger = parent.ledger if parent else None
        self._acceptors: list[Acceptor] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        if self._lifeline is not None:
            self._lifeline.setblocking(False)
            loop.add_reader(self._lifeline, self._hear, self._lifeline)
        await super().startup(sockets)
        self._guard.watch(loop, self.server_state.connections)  # type: ignore[arg-type] # all ours
        self._accept(self._listeners)
        _settle_memory()
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._guard.draining = True
        if self._lifeline is not None:
            asyncio.get_running_loop().remove_reader(self._lifeline)
            while self._hear(self._lifeline):  # arriving sockets have to be closed here
                pass
        for acceptor in self._acceptors:
            await acceptor.close()
        # The application ends what would never end; whoever comes back finds another instance.
        self.lifespan.state.get("stopping", _nothing)()
        await super().shutdown(sockets)

    def _accept(self, listeners: Sequence[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        state = self.server_state
        protocol = functools.partial(
            GuardedProtocol, self._settled, state, self.lifespan.state, loop
        )
        acceptor = Acceptor(loop, listeners, protocol, state.connections, self._ledger)
        self._acceptors.append(acceptor)

    def _hear(self, lifeline: socket.socket) -> bool:
        """Handle a message of the parent; False if there is none.

        It brings the listening sockets, or announces a stop, or shows that the parent has ended.
        """
        try:
            word, descriptors, _, _ = socket.recv_fds(lifeline, 1, _MOST_LISTENERS)
        except BlockingIOError:
            return False
        except OSError:  # it ended before it read our message
            word, descriptors = b"", []
        if descriptors:
            self._accept([socket.socket(fileno=number) for number in descriptors])
        elif word == LEAVING:
            self._say_leaving()
        else:
            asyncio.get_running_loop().remove_reader(lifeline)
            self.should_exit = True
            return False
        return True

    def _say_leaving(self) -> None:
        """Tell the application that a stop is near, for its readiness: `scope["state"]`."""
        self.lifespan.state["leaving"] = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig != signal.SIGINT and self._drain_delay and math.isinf(self._leaves_at):
            self._leaves_at = time.monotonic() + self._drain_delay
            self._say_leaving()
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or time.monotonic() >= self._leaves_at

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # uvicorn's own raises the signal again after the stop, which would change the exit code.
        with ending_heard_by(self.handle_exit):
            yield


def _nothing() -> None:
    """Do nothing, for an application that has no endless responses."""


def _settle_memory() -> None:
    """Exclude objects of the start from garbage collection: they stay until the end.

    Memory that the imports no longer need is returned to the system, if the C library is glibc.
    """
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
