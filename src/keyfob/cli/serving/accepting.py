"""Accepting connections, so that workers on one socket share them and a stop loses none."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence

import structlog

log = structlog.get_logger("keyfob.serving")

# Seconds to leave the socket alone when the system has no descriptors left.
_PAUSE = 0.5


class Acceptor:
    """Takes one connection at each turn of the event loop.

    The loop's own server takes all that wait at once: of two workers, the first to wake up had
    all of 32 clients, and the other none.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listeners: Sequence[socket.socket],
        protocol: Callable[[], asyncio.Protocol],
    ) -> None:
        self._loop = loop
        self._listeners = listeners
        self._protocol = protocol
        self._joining: set[asyncio.Task[object]] = set()
        for listener in listeners:
            loop.add_reader(listener, self._take_one, listener)

    async def close(self) -> None:
        """Stop accepting, but for what the system has already connected, and close the sockets.

        Closing a socket resets what waits in its queue.
        """
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            while self._take(listener):
                pass
            listener.close()
        if self._joining:
            await asyncio.wait(self._joining)

    def _take_one(self, listener: socket.socket) -> None:
        try:
            self._take(listener)
        except OSError as fault:
            # Most likely out of descriptors; the socket stays readable, and would be tried forever.
            log.warning("cannot_accept", reason=fault.strerror)
            self._loop.remove_reader(listener)
            self._loop.call_later(_PAUSE, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            self._loop.add_reader(listener, self._take_one, listener)

    def _take(self, listener: socket.socket) -> bool:
        """Accept a connection; False when there is none (another worker was faster)."""
        with contextlib.suppress(BlockingIOError, InterruptedError, ConnectionAbortedError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            joining: asyncio.Task[object] = self._loop.create_task(
                self._loop.connect_accepted_socket(self._protocol, connection)
            )
            self._joining.add(joining)
            joining.add_done_callback(self._joining.discard)
            return True
        return False
