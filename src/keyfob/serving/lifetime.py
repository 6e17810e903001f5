"""The beginning and end of a guarded connection, in time and without losing a response."""

import asyncio
import math
import select
import socket
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import uvicorn
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from keyfob.core.addresses import Network
from keyfob.core.fair_queue import Share
from keyfob.core.problems import Problem, Unavailable
from keyfob.serving.accepting import Peer
from keyfob.serving.beginnings import Beginnings
from keyfob.serving.connections import FAREWELL, HURRY, LINGER, Connections
from keyfob.serving.crowds import Crowd, Places, share_of_peer
from keyfob.serving.refusals import RequestTimeout, render_refusal

# A body may begin so, too: it then leaves a moment later.
_HEAD = b"HTTP/1.1 "
_NO_LINGER = struct.pack("ii", 1, 0)


class GuardedConfig(uvicorn.Config):
    """uvicorn's configuration, and the state that the connections of a worker share."""

    guard: Connections
    beginnings: Beginnings
    proxies: Sequence[Network]
    hsts: str | None


class _Exit:
    """The transport as a response sees it: closing it follows the protocol's rules.

    uvicorn writes a head and its body one after the other. Here both leave together, in one system
    call and most often in one packet; a head whose body takes longer leaves in the next turn of the
    event loop.
    """

    __slots__ = ("_head", "_loop", "_transport", "close", "is_closing")

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        close: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""
        self.is_closing = transport.is_closing
        self.close = close

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
            self._transport.write(data)
        elif data.startswith(_HEAD):
            self._head = data
            self._loop.call_soon(self.flush)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Send a head that still waits for its body, unless the client has gone meanwhile."""
        head, self._head = self._head, b""
        if head and not self.is_closing():
            self._transport.write(head)


class _Flow(FlowControl):
    """Does not resume reading for a request while data that was read waits to be parsed."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


class GuardedLifetime(HttpToolsProtocol):
    """Admits a connection if there is a place, and closes it when its time is up."""

    def __init__(
        self,
        config: GuardedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop,
        peer: Peer,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.headers = []  # uvicorn's is None, and empty lines may come before the first request
        self._peer = peer
        self._guard = config.guard
        self._beginnings = config.beginnings
        self._proxies = config.proxies
        self._hsts = config.hsts
        self.since = 0.0
        self.deadline = math.inf
        self.stalled_until = math.inf
        self.share: Share = ()
        self.crowd: Crowd | None = None
        self.places: Places = ()
        self._settled: object = self  # the scope of the newest complete head; there is none yet
        self._in_body = False  # its body is not complete; `cycle` is its own
        self._unused = 0  # bytes since the last request or the last piece of body
        self._kept = b""  # data that was read after a request that is not answered yet
        self._deaf = False  # incoming data is discarded
        self._finished = False  # nothing more is sent

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self.client = self._peer  # uvicorn's is also None after a reset
        self.flow = self._flow = _Flow(transport)
        self._exit = _Exit(transport, self.loop, self._finish)
        self.share = share_of_peer(self._peer[0] if self._peer else None, self._proxies)
        if not self._guard.admit(self, len(self.connections), self.loop.time()):
            self._refuse(Unavailable("Too many connections are at work"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._guard.forget(self)
        self._deaf = self._finished = True
        self.deadline = self.stalled_until = math.inf
        self._exit.close = self.transport.close  # avoids a reference cycle
        cycle = self.cycle
        self.cycle = None  # type: ignore[assignment] # uvicorn would wake its request at once
        super().connection_lost(exc)
        self.cycle = cycle
        if self._in_body or self._is_at_work():
            self._hang_up(cycle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._beginnings.begin(partial(self._begin, cycle, app), cycle.scope)  # type: ignore[arg-type] # a dict

    def _begin(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if not cycle.disconnected:
            super()._start_asgi_task(cycle, app)

    def _hang_up(self, cycle: RequestResponseCycle) -> None:
        """Tell a request that its client is gone; what follows from that is work like another."""
        cycle.disconnected = True
        self._beginnings.begin(cycle.message_event.set, cycle.scope)  # type: ignore[arg-type] # a dict

    def _is_whole(self) -> bool:
        return not self._in_body and self.scope is self._settled  # a request brings a new scope

    def _is_at_work(self) -> bool:
        return self._is_whole() and not self.cycle.response_complete

    def expire(self, now: float) -> None:
        """Close a connection after a deadline."""
        if self._finished or self.stalled_until <= now:
            self._reset()
        elif self._guard.is_idle(self):
            if not self.is_called():
                self._finish()
        elif self._kept or (self.flow.read_paused and not self.cycle.response_complete):
            # We are the ones who do not read: a turn comes first, or the application is slow.
            self._guard.owes(self, now, self._guard.bounds.request_timeout)
        else:
            self._close_unfinished(RequestTimeout())

    def is_called(self) -> bool:
        """Tell whether bytes have arrived that the loop will read next; closing would reset them.

        Threat: behind a proxy with persistent connections, a stop would lose somebody's request.
        """
        arrived = select.poll()
        arrived.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(arrived.poll(0))

    def shed(self) -> None:
        """Close the connection, whatever it is doing, to make a place for another."""
        if self._finished or self.stalled_until < math.inf:
            self._reset()
        else:
            self._close_unfinished(Unavailable("Too many connections are open"))

    def shutdown(self) -> None:
        """Stop after the current request; one that is already on its way is still answered."""
        now = self.loop.time()
        if self.stalled_until < math.inf:
            self.stalled_until = min(self.stalled_until, now + HURRY)
        if self._guard.is_unfinished(self):
            self.deadline = min(self.deadline, now + HURRY)
        if self._guard.is_idle(self) or not (self._in_body or self._unused or self._is_whole()):
            self.deadline = min(self.deadline, now + FAREWELL)
        elif self._in_body and self.cycle.response_complete:
            self._finish()
        elif self.cycle is not None:
            self.cycle.keep_alive = False

    def _close_unfinished(self, problem: Problem) -> None:
        if self._in_body or self._unused or self._is_at_work():
            self._refuse(problem)
        self._finish(at_once=True)

    def _reset(self) -> None:
        # Otherwise the system would keep data that the client does not receive, for minutes.
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def _refuse(self, problem: Problem) -> None:
        """Answer the newest request with a problem, and close.

        If the response to that request has begun, nothing is sent.
        """
        if self._finished:
            return
        if self._in_body or self._is_at_work():
            self._hang_up(self.cycle)
            self._finish(None if self.cycle.response_started else problem)
        else:
            self._finish(problem)

    def _finish(self, problem: Problem | None = None, *, at_once: bool = False) -> None:
        """Close after the last data. If the client may still be sending, read that first.

        Closing with unread data would reset the connection, and the client might not get the
        response (RFC 9112 section 9.6).
        """
        self._exit.flush()
        if problem is not None:
            headers = self.server_state.default_headers
            self.transport.write(render_refusal(problem, headers, hsts=self._hsts))
        self._deaf = self._finished = True
        self._take_kept()
        self._guard.owes(self, self.loop.time(), LINGER)
        if self._is_whole() or at_once or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()

    def _keep(self, data: bytes) -> None:
        self._kept += data
        self._flow.held = True
        self.flow.pause_reading()

    def _take_kept(self) -> bytes:
        """Return data that was read and not parsed yet, and resume reading."""
        kept, self._kept = self._kept, b""
        self._flow.held = False
        # Not if uvicorn has paused it, for a body that is not being read.
        if not self._in_body or len(self.cycle.body) <= HIGH_WATER_LIMIT:
            self.flow.resume_reading()
        return kept
