"""Accepting connections, so that workers share one socket and a stop loses no connection."""

import asyncio
import contextlib
import mmap
import os
import socket
import struct
import tempfile
from collections.abc import Callable, Collection, Sequence
from functools import partial

import structlog

log = structlog.get_logger("keyfob.serving")

# The seconds without accepting after the system has run out of descriptors.
_PAUSE = 0.5

# The seconds in which a worker with fewer connections may take the next one first.
_COURTESY = 0.005

# The most connections to take at once if it does not, because it is slow or stuck.
_LARGEST_TURN = 64

_GONE = 2**32 - 1

# The address and port of the client; None for unix sockets only.
Peer = tuple[str, int] | None

# The message of a supervisor to its workers that a stop is near.
LEAVING = b"-"


class Ledger:
    """The number of connections of each worker, in memory that they share by a file descriptor."""

    def __init__(self, descriptor: int, slot: int = 0) -> None:
        self._counts = memoryview(mmap.mmap(descriptor, 0)).cast("I")
        self._slot = slot

    @staticmethod
    def create(workers: int) -> int:
        """Return the descriptor of a new ledger, without workers."""
        with tempfile.TemporaryFile() as file:
            file.write(struct.pack("I", _GONE) * workers)
            file.flush()
            return os.dup(file.fileno())

    def is_ahead(self, mine: int) -> bool:
        """Record the number of this worker's connections; tell whether another worker has fewer."""
        self._counts[self._slot] = mine
        return mine > min(self._counts)

    def strike_out(self, slot: int) -> None:
        """Record that a worker has ended."""
        self._counts[slot] = _GONE


class Acceptor:
    """Accepts connections, one in each turn of the event loop, while other workers accept, too.

    The loop's own server accepts all waiting connections at once: of two workers, the first to wake
    up would get all of 32 clients, and the other none.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listeners: Sequence[socket.socket],
        protocol: Callable[[Peer], asyncio.Protocol],
        everyone: Collection[object],
        ledger: Ledger | None,
    ) -> None:
        self._loop = loop
        self._listeners = listeners
        self._protocol = protocol
        self._everyone = everyone
        self._ledger = ledger
        self._turn = 1
        self._joining: set[asyncio.Task[object]] = set()
        for listener in listeners:
            loop.add_reader(listener, self._on_waiting, listener)

    async def close(self) -> None:
        """Accept connections that the system has already established, then close the sockets.

        Closing a socket earlier would reset connections in its queue.
        """
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            while self._take(listener):
                pass
            listener.close()
        if self._joining:
            await asyncio.wait(self._joining)

    def _on_waiting(self, listener: socket.socket) -> None:
        if self._ledger is None:
            self._take_some(listener, _LARGEST_TURN)
        elif self._ledger.is_ahead(len(self._everyone) + len(self._joining)):
            self._pause(listener, _COURTESY, self._turn)
            self._turn = min(2 * self._turn, _LARGEST_TURN)
        else:
            self._turn = 1
            self._take_some(listener, 1)

    def _take_some(self, listener: socket.socket, most: int) -> None:
        try:
            while most and self._take(listener):
                most -= 1
        except OSError as fault:
            # Most likely out of descriptors; the socket stays readable, so this would repeat
            # endlessly.
            log.warning("cannot_accept", reason=fault.strerror)
            self._pause(listener, _PAUSE, 1)

    def _pause(self, listener: socket.socket, seconds: float, turn: int) -> None:
        self._loop.remove_reader(listener)
        self._loop.call_later(seconds, self._resume, listener, turn)

    def _resume(self, listener: socket.socket, turn: int) -> None:
        if listener.fileno() >= 0:  # not closed in the meantime
            self._loop.add_reader(listener, self._on_waiting, listener)
            self._take_some(listener, turn)

    def _take(self, listener: socket.socket) -> bool:
        """Accept a connection; False if there is none because another worker was faster.

        Threat: a connection that the client has reset has no address, and would be taken for one of
        a unix socket, which is trusted as a proxy.
        """
        with contextlib.suppress(BlockingIOError, InterruptedError, ConnectionAbortedError):
            connection, address = listener.accept()
            is_local = connection.family == socket.AF_UNIX
            if not is_local and not address:  # closed already, on some systems
                connection.close()
                return True
            connection.setblocking(False)
            peer = None if is_local else (address[0], address[1])
            joining: asyncio.Task[object] = self._loop.create_task(
                self._loop.connect_accepted_socket(partial(self._protocol, peer), connection)
            )
            self._joining.add(joining)
            joining.add_done_callback(self._joining.discard)
            return True
        return False
