"""Accepting connections, so that workers on one socket share them and a stop loses none."""

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

# Seconds to leave the socket alone when the system has no descriptors left.
_PAUSE = 0.5

# Seconds to leave the next connection to a worker that has fewer, if it takes it.
_COURTESY = 0.005

# Most connections to take at once when it does not; it is slow, or stuck.
_LARGEST_TURN = 64

_GONE = 2**32 - 1

# Address and port of whoever connected; None at a unix socket alone.
Peer = tuple[str, int] | None

# What a supervisor says to its workers when a stop is near.
LEAVING = b"-"


class Ledger:
    """How many connections each worker holds, in memory that they share by a file descriptor."""

    def __init__(self, descriptor: int, slot: int = 0) -> None:
        self._counts = memoryview(mmap.mmap(descriptor, 0)).cast("I")
        self._slot = slot

    @staticmethod
    def create(workers: int) -> int:
        """Return the descriptor of a new ledger, in which no worker is there yet."""
        with tempfile.TemporaryFile() as file:
            file.write(struct.pack("I", _GONE) * workers)
            file.flush()
            return os.dup(file.fileno())

    def is_ahead(self, mine: int) -> bool:
        """Note how many this worker holds; tell whether another holds fewer."""
        self._counts[self._slot] = mine
        return mine > min(self._counts)

    def strike_out(self, slot: int) -> None:
        """Note that a worker is gone."""
        self._counts[slot] = _GONE


class Acceptor:
    """Takes connections; one at each turn of the event loop, where other workers take them too.

    The loop's own server takes all that wait at once: of two workers, the first to wake up had
    all of 32 clients, and the other none.
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
            # Most likely out of descriptors; the socket stays readable, and would be tried forever.
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
        """Accept a connection; False when there is none (another worker was faster).

        Threat: a client that has reset its connection has no address later on, and would pass for
        one at a unix socket, which is believed as a proxy.
        """
        with contextlib.suppress(BlockingIOError, InterruptedError, ConnectionAbortedError):
            connection, address = listener.accept()
            is_local = connection.family == socket.AF_UNIX
            if not is_local and not address:  # gone already, on some systems
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
