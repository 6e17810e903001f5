"""So many at once, and a fair turn for each client that waits."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from keyfob.core.fair_queue import FairQueue, Share

T = TypeVar("T")


class Turns(Generic[T]):
    """Lends so many places at once, each with a thing that an earlier holder left ready, if any.

    Who gives a place back hands it to who waits; the shares of those who wait take turns.
    """

    def __init__(self, amount: int) -> None:
        self._free = amount
        self._ready: list[T] = []
        self._waiting: FairQueue[asyncio.Future[T | None]] = FairQueue()

    @property
    def ready(self) -> int:
        """How many things wait in free places."""
        return len(self._ready)

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    async def take(self, share_of_asker: Callable[[], Share], longest: float) -> T | None:
        """Return what was left ready in the place that is taken, None if nothing was.

        Args:
            share_of_asker: asked only where there is a queue.
            longest: how many seconds to wait.

        Raises:
            TimeoutError: no place became free in that time.
        """
        if self._free:
            self._free -= 1
            return self._ready.pop() if self._ready else None
        share = share_of_asker()
        turn: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._waiting.put(turn, share)
        try:
            async with asyncio.timeout(longest):
                return await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # it came in the same moment
                self.give(turn.result())
            else:
                with suppress(ValueError):
                    self._waiting.remove(turn, share)
            raise

    def give(self, thing: T | None) -> None:
        """Give a place back, with a thing that whoever takes it next may use."""
        while self._waiting:
            turn = self._waiting.take()
            if not turn.done():
                turn.set_result(thing)
                return
        self._free += 1
        if thing is not None:
            self._ready.append(thing)

    def pop(self) -> T | None:
        """Take a thing out of a free place, which stays free; None where none is left."""
        return self._ready.pop() if self._ready else None
