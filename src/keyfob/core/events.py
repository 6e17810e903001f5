"""The last events of a worker, for any number of readers, each at its own speed."""

import asyncio
from collections import deque

Named = tuple[str, bytes]

# The readers that are woken in one turn of the event loop: some tenths of a millisecond of work.
_AT_ONCE = 8


class FellBehind(Exception):
    """An event that a reader has not got is not kept any more."""


class Events:
    """Events in order. A reader remembers a place, so one who sleeps costs the others nothing.

    Readers are woken a few at a time: requests do not wait until an event was sent to all of them.

    Args:
        most_bytes: the length of all that are kept; a reader who is further behind starts over.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: deque[Named] = deque()
        self._bytes = 0
        self._first = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._due: deque[asyncio.Future[None]] = deque()
        self.ending = ("", "")

    @property
    def end_place(self) -> int:
        """The place of the next event."""
        return self._first + len(self._kept)

    @property
    def has_ended(self) -> bool:
        """True once no further event comes."""
        return self.ending != ("", "")

    def add(self, name: str, data: bytes) -> None:
        """Add an event; the oldest ones are dropped if all together are too long."""
        self._kept.append((name, data))
        self._bytes += len(data)
        while self._bytes > self._most_bytes and len(self._kept) > 1:
            self._bytes -= len(self._kept.popleft()[1])
            self._first += 1
        self._wake()

    def end(self, name: str, reason: str) -> None:
        """Let readers end with an event of that name, once they have got all others."""
        if not self.has_ended:
            self.ending = (name, reason)
            self._wake()

    async def after(self, place: int) -> Named | None:
        """Return the event at a place, waiting for it if need be; None at the end.

        Raises:
            FellBehind: it was dropped.
        """
        while place >= self.end_place:
            if self.has_ended:
                return None
            arrival = asyncio.get_running_loop().create_future()
            self._waiting.append(arrival)
            await arrival
        if place < self._first:
            raise FellBehind
        return self._kept[place - self._first]

    def _wake(self) -> None:
        """Wake all who wait now, the first ones at once."""
        is_waking = bool(self._due)
        self._due += self._waiting
        self._waiting = []
        if not is_waking:
            self._wake_some()

    def _wake_some(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._due))):
            arrival = self._due.popleft()
            if not arrival.done():  # its reader may have left
                arrival.set_result(None)
        if self._due:
            asyncio.get_running_loop().call_soon(self._wake_some)
