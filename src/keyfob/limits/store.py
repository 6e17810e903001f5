"""The store of counted attempts: PostgreSQL, or Redis and Valkey (redis_store.py).

Both count all windows of an attempt in one round trip, and all of them or none. The strategies of
the `limits` library would take three round trips for each window (hit, count, expiry) and keep the
counts of a refused attempt in its other windows. So notation, windows and keys are the library's,
and the counting is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.secrets import random_text
from keyfob.limits import queries
from keyfob.limits.models import Rule, Tally, Window


@dataclass(frozen=True)
class Outcome:
    """The result of an attempt: counted in all its windows, or refused and counted in none.

    `beside`: also counted in the windows beside them.
    """

    counted: bool
    tallies: tuple[Tally, ...]
    beside: bool = False


class Store(Protocol):
    """The counts that all workers and instances share."""

    async def count_attempt(
        self, windows: Sequence[Window], beside: Sequence[Window] = ()
    ) -> Outcome:
        """Add one to every window, or to none if one of them is full.

        The windows `beside` are counted with them if all of those have space, too; otherwise they
        are only read.
        """

    async def give_back(self, taken: Sequence[Tally], emptied: Sequence[Tally] = ()) -> None:
        """Subtract one from each of `taken`, and empty `emptied`, if the window has not ended."""

    async def forget(self, windows: Sequence[Window]) -> None:
        """Empty windows."""

    async def delete_expired(self, batch: int) -> int:
        """Delete up to `batch` counts of windows that have ended; return their number."""

    async def close(self) -> None:
        """Close the connections that belong to the store."""


@dataclass(frozen=True)
class PostgresStore:
    """Counts in the table `attempts`.

    All methods raise `DatabaseUnavailable` if PostgreSQL is down.
    """

    db: Database
    clock: Clock

    async def count_attempt(
        self, windows: Sequence[Window], beside: Sequence[Window] = ()
    ) -> Outcome:
        wanted = [*windows, *beside]
        found = await queries.count_attempt(self.db, windows, beside, self.clock.now())
        counts = [
            _Count(Tally(window, one.count, one.expires_at), one.counted)
            for window, one in ((window, found[window.key]) for window in wanted)
        ]
        return await self._settled(counts[: len(windows)], counts[len(windows) :])

    async def _settled(self, needed: list["_Count"], beside: list["_Count"]) -> Outcome:
        """Give back counts beyond the last place, which another attempt got first."""
        counted = all(one.counted for one in needed)
        counted_beside = bool(beside) and all(one.counted for one in beside)
        lost = [*needed, *beside] if _overfull(needed) else beside if _overfull(beside) else []
        if lost:
            await self.give_back([one.tally for one in lost if one.counted])
            counted = counted and lost is beside
            counted_beside = False
        told = tuple(
            _without_one(one.tally) if one.counted and one in lost else one.tally
            for one in (*needed, *beside)
        )
        return Outcome(counted, told, counted_beside)

    async def give_back(self, taken: Sequence[Tally], emptied: Sequence[Tally] = ()) -> None:
        tallies = [*taken, *emptied]
        await queries.give_back(
            self.db,
            [tally.window.key for tally in tallies],
            [tally.expires_at for tally in tallies],
            [tally.window.key for tally in emptied],
        )

    async def forget(self, windows: Sequence[Window]) -> None:
        await queries.forget(self.db, [window.key for window in windows])

    async def delete_expired(self, batch: int) -> int:
        return await queries.delete_expired(self.db, self.clock.now(), batch)

    async def close(self) -> None:
        """Do nothing: the database belongs to the caller that passed it in."""


class _Count(NamedTuple):
    tally: Tally
    counted: bool


def _overfull(counts: Sequence[_Count]) -> bool:
    return any(one.counted and one.tally.count > one.tally.window.amount for one in counts)


@dataclass(frozen=True)
class Trial:
    """Counts once in a store, to check that it works; each check uses a row of its own."""

    store: Store
    rule: Rule = field(default_factory=lambda: Rule.parse(random_text(9), "1000000/minute"))

    async def __call__(self) -> None:
        """Count once.

        Raises:
            Unavailable: the store is down, or does not accept writes.
        """
        await self.store.count_attempt(self.rule.windows("trial"))


def _without_one(tally: Tally) -> Tally:
    return Tally(tally.window, tally.count - 1, tally.expires_at)
