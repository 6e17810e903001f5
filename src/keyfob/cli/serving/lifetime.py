"""How a guarded connection begins and ends: in its time, and without losing an answer."""

import asyncio
import math
import select
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from keyfob.cli.serving.connections import FAREWELL, LINGER, Connection, Connections
from keyfob.cli.serving.refusals import RequestTimeout, render_refusal
from keyfob.core.problems import Problem, Unavailable

_NO_LINGER = struct.pack("ii", 1, 0)


class GuardedConfig(uvicorn.Config):
    """uvicorn's configuration, and the book that its connections are kept in."""

    guard: Connections
    hsts: str | None


class _Exit:
    """What a response sees of the transport: it closes by the protocol's manners."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.close = close


class GuardedLifetime(HttpToolsProtocol):
    """Takes a connection in where there is room, and closes it when its time is up."""

    def __init__(
        self,
        config: GuardedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._guard = config.guard
        self._hsts = config.hsts
        self.since = 0.0
        self.deadline = math.inf
        self.stalled_until = math.inf
        self.place: OrderedDict[Connection, None] | None = None
        self._running: RequestResponseCycle | None = None  # `cycle` is the newest, maybe behind it
        self._settled: object = self  # the scope of the newest complete head; there is none yet
        self._in_body = False  # and its body is not; `cycle` is its own
        self._unused = 0  # bytes since the last request or the last piece of body
        self._deaf = False  # what comes in is thrown away
        self._finished = False  # nothing more goes out

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._exit = _Exit(transport, self._finish)
        if not self._guard.admit(self, len(self.connections), self.loop.time()):
            self._refuse(Unavailable("Too many connections are at work"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._guard.forget(self)
        self._deaf = self._finished = True
        self._exit.close = self.transport.close  # no reference cycle outlives the connection
        super().connection_lost(exc)
        # uvicorn tells the newest request alone; one before it would write on, and fail at that.
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _is_whole(self) -> bool:
        return not self._in_body and self.scope is self._settled  # a request brings a new scope

    def expire(self, now: float) -> None:
        """Close a connection whose time is up."""
        if self._finished or self.stalled_until <= now:
            self._reset()
        elif self._guard.is_idle(self):
            if not self._is_called():
                self._finish()
        elif self.flow.read_paused:
            # It is we who do not read on: an answer comes first, or the application is slow.
            self._guard.owes(self, now, self._guard.bounds.request_timeout)
        else:
            self._close_unfinished(RequestTimeout())

    def _is_called(self) -> bool:
        """Tell whether bytes have arrived that the loop will read next; to close would reset them.

        Threat: behind a proxy that keeps connections, that is somebody's request, lost at a stop.
        """
        arrived = select.poll()
        arrived.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(arrived.poll(0))

    def shed(self) -> None:
        """Close the connection to make room for another."""
        if self._finished or self.stalled_until < math.inf:
            self._reset()
        else:
            self._close_unfinished(Unavailable("Too many connections are open"))

    def shutdown(self) -> None:
        """Stop after what is under way; a request that is already on its way is still answered."""
        soon = self.loop.time() + FAREWELL
        if self._guard.is_idle(self) or not (self._in_body or self._unused or self._is_whole()):
            self.deadline = min(self.deadline, soon)
        elif (latest := self._latest()) is not None:
            latest.keep_alive = False

    def _close_unfinished(self, problem: Problem) -> None:
        if self._in_body or self._unused:
            self._refuse(problem)
        if not self._deaf or self._finished:
            self._finish(at_once=True)

    def _reset(self) -> None:
        # Otherwise the system would keep what the client does not take, for minutes.
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """Answer with a problem in place of the newest request, and close.

        Answers that are owed to earlier requests go out first, and then the problem is left unsaid:
        it must not be taken for one of them.
        """
        self._deaf = True
        cycle = self.cycle
        if self._in_body and self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
            self._guard.works(self)
        elif self._in_body:
            cycle.disconnected = True
            cycle.message_event.set()
            self._finish(None if cycle.response_started else problem)
        elif (latest := self._latest()) is not None and not latest.response_complete:
            self._guard.works(self)
        else:
            self._finish(problem)

    def _latest(self) -> RequestResponseCycle | None:
        return self.cycle  # None until the first head is complete, whatever its type says

    def _finish(self, problem: Problem | None = None, *, at_once: bool = False) -> None:
        """Close after the last word. Where the client may still be sending, hear it out first.

        Closing over unread bytes would reset the connection, and the client might never see the
        answer (RFC 9112 section 9.6).
        """
        if problem is not None:
            headers = self.server_state.default_headers
            self.transport.write(render_refusal(problem, headers, hsts=self._hsts))
        self._deaf = self._finished = True
        self._guard.owes(self, self.loop.time(), LINGER)
        if self._is_whole() or at_once or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()
            self.flow.resume_reading()
