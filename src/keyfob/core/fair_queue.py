"""A fair queue: nobody's turn depends on how much somebody else has asked for.

Work waits in nested shares: a network, the smaller networks in it, their clients. The shares take
turns, and so do those within a share. If work has to give way, it is the newest of the largest
share.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

# The shares that a piece of work belongs to, from the largest to the smallest, such as a network, a
# smaller network and an address. No share is a prefix of another.
Share = tuple[str, ...]


class FairQueue(Generic[T]):
    """The work that waits in one share: its own, in order, or that of the shares within it."""

    def __init__(self) -> None:
        self._own: deque[T] = deque()
        self._within: dict[str, FairQueue[T]] = {}  # the next in turn comes first
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, name: str) -> bool:
        """Tell whether something waits in a share directly within this one."""
        return name in self._within

    @property
    def shares(self) -> int:
        """The number of shares directly within this one in which something waits."""
        return len(self._within)

    def put(self, work: T, share: Sequence[str]) -> None:
        """Add work at the end of its share."""
        self._size += 1
        if not share:
            self._own.append(work)
            return
        name = share[0]
        if name not in self._within:
            self._within[name] = FairQueue()
        self._within[name].put(work, share[1:])

    def take(self, but: Container[str] = ()) -> T:
        """Remove and return the next piece of work; its share then goes to the end of the line.

        Nothing is taken of the shares directly within this one that are named by `but`.

        Raises:
            IndexError: nothing waits, or of these shares alone.
        """
        if not self._within:
            work = self._own.popleft()
        else:
            name = next((one for one in self._within if one not in but), None)
            if name is None:
                raise IndexError("these shares have to wait")
            part = self._within[name]
            work = part.take()
            del self._within[name]
            if part:
                self._within[name] = part
        self._size -= 1
        return work

    def newest_of_largest(self, taken: Sequence[Share] = ()) -> T:
        """Return the newest work of the largest share, which stays there; of two equal, the later.

        `taken` holds the shares of the work in progress, one entry for each: it counts as well.

        Raises:
            IndexError: nothing waits.
        """
        if not self._within:
            return self._own[-1]
        done = Counter(share[0] for share in taken)
        name = max(reversed(self._within), key=lambda one: len(self._within[one]) + done[one])
        return self._within[name].newest_of_largest(
            [share[1:] for share in taken if share[0] == name]
        )

    def remove(self, work: T, share: Sequence[str]) -> None:
        """Remove work that waits in a share.

        Raises:
            ValueError: it no longer waits there.
        """
        if not share:
            self._own.remove(work)
        elif share[0] not in self._within:
            raise ValueError("nothing waits in that share")
        else:
            self._within[share[0]].remove(work, share[1:])
            self._drop_if_empty(share[0])
        self._size -= 1

    def _drop_if_empty(self, name: str) -> None:
        if not self._within[name]:
            del self._within[name]


class Turns(Generic[T]):
    """Lends a limited number of places, each with a thing that the last holder may have left ready.

    A place that is given back goes directly to one that waits; the shares of those that wait take
    turns.
    """

    def __init__(self, amount: int) -> None:
        self._free = amount
        self._ready: list[T] = []
        self._waiting: FairQueue[asyncio.Future[T | None]] = FairQueue()

    @property
    def ready(self) -> int:
        """The number of things that are ready in free places."""
        return len(self._ready)

    @property
    def waiting(self) -> int:
        """The number of callers that wait for a place."""
        return len(self._waiting)

    async def take(self, share_of_asker: Callable[[], Share], longest: float) -> T | None:
        """Take a place and return the thing that was left ready in it; None if there was none.

        Args:
            share_of_asker: called only if there is a queue.
            longest: the seconds to wait.

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
            if turn.done() and not turn.cancelled():  # it was given in the same moment
                self.give(turn.result())
            else:
                with suppress(ValueError):
                    self._waiting.remove(turn, share)
            raise

    def give(self, thing: T | None) -> None:
        """Give a place back, with a thing that its next holder may use."""
        while self._waiting:
            turn = self._waiting.take()
            if not turn.done():
                turn.set_result(thing)
                return
        self._free += 1
        if thing is not None:
            self._ready.append(thing)

    def pop(self) -> T | None:
        """Take a thing out of a free place, which stays free; None if nothing is ready."""
        return self._ready.pop() if self._ready else None


class Crowded(Exception):
    """Too many wait for a place, and most of them in this share."""


class _Waiting(NamedTuple):
    turn: asyncio.Future[None]
    share: Share


class Places:
    """Lends a limited number of places, of which one share holds a part at most.

    The largest shares (such as a network) take turns, and so do those within. If too many wait, the
    newest of the largest share gives way. Threat: who holds every place for as long as it may be
    held leaves to all others what comes free in between.

    Args:
        amount: the places.
        of_one: how many of them one of the largest shares may hold at once.
        most_waiting: how many callers may wait for a place.
    """

    def __init__(self, amount: int, *, of_one: int, most_waiting: int) -> None:
        self._free = amount
        self._of_one = of_one
        self._most_waiting = most_waiting
        self._held: Counter[str] = Counter()
        self._waiting: FairQueue[_Waiting] = FairQueue()

    async def take(self, share: Share, longest: float) -> None:
        """Take a place, which is to be given back.

        Args:
            share: whose it is.
            longest: the seconds to wait.

        Raises:
            TimeoutError: no place became free in that time.
            Crowded: too many wait.
        """
        if self._free and self._held[share[0]] < self._of_one:
            self._hold(share)  # whoever waits may not have it: see `_lend`
            return
        waiting = _Waiting(asyncio.get_running_loop().create_future(), share)
        self._waiting.put(waiting, share)
        if len(self._waiting) > self._most_waiting:
            self._refuse_one()
        try:
            async with asyncio.timeout(longest):
                await waiting.turn
        except BaseException:
            turn = waiting.turn
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give(share)  # it was lent in the same moment
            else:
                with suppress(ValueError):
                    self._waiting.remove(waiting, share)
            raise

    def give(self, share: Share) -> None:
        """Give a place of a share back."""
        self._free += 1
        self._held[share[0]] -= 1
        if not self._held[share[0]]:
            del self._held[share[0]]
        self._lend()

    def _lend(self) -> None:
        """Lend what is free to those that wait, unless their share holds enough."""
        while self._free:
            full = {name for name, amount in self._held.items() if amount >= self._of_one}
            try:
                waiting = self._waiting.take(full)
            except IndexError:
                return
            if not waiting.turn.done():
                self._hold(waiting.share)
                waiting.turn.set_result(None)

    def _hold(self, share: Share) -> None:
        self._free -= 1
        self._held[share[0]] += 1

    def _refuse_one(self) -> None:
        newest = self._waiting.newest_of_largest()
        self._waiting.remove(newest, newest.share)
        if not newest.turn.done():
            newest.turn.set_exception(Crowded())
