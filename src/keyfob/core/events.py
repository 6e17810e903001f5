"""The last events of a worker, for any number of readers, each at its own speed."""

import asyncio
from collections import deque

Named = tuple[str, bytes]


class FellBehind(Exception):
    """An event that a reader has not got is not kept any more."""


class Events:
    """Events in order. A reader remembers a place, so one who sleeps costs the others nothing.

    Args:
        most_bytes: the length of all that are kept; a reader who is further behind starts over.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: deque[Named] = deque()
        self._bytes = 0
        self._first = 0
        self._arrived = asyncio.Event()
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
            await self._arrived.wait()
        if place < self._first:
            raise FellBehind
        return self._kept[place - self._first]

    def _wake(self) -> None:
        self._arrived.set()
        self._arrived = asyncio.Event()
