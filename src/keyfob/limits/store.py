"""Where attempts are counted: PostgreSQL, or Redis and Valkey (redis_store.py).

Both count all windows of an attempt in one round trip, and all of them or none. The strategies of
the `limits` library would take three round trips for each window (hit, count, expiry) and keep
what the other windows of a refused attempt had counted; so notation, windows and keys are the
library's, and the counting is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.limits import queries
from keyfob.limits.models import Tally, Window


@dataclass(frozen=True)
class Outcome:
    """What became of an attempt: counted in every window, or refused and counted in none."""

    counted: bool
    tallies: tuple[Tally, ...]


class Store(Protocol):
    """Counts that every worker and instance shares."""

    async def count_attempt(self, windows: Sequence[Window]) -> Outcome:
        """Add one to every window, or to none if one of them is full."""

    async def give_back(self, taken: Sequence[Tally], emptied: Sequence[Tally] = ()) -> None:
        """Take one from each of `taken`, and empty `emptied`, where the window still runs."""

    async def forget(self, windows: Sequence[Window]) -> None:
        """Empty windows, whatever was counted in them."""

    async def delete_expired(self, batch: int) -> int:
        """Delete up to `batch` counts of windows that have ended; return how many."""

    async def close(self) -> None:
        """Let go of the connections that are the store's own."""


@dataclass(frozen=True)
class PostgresStore:
    """Counts in the table `attempts`.

    Every method raises `DatabaseUnavailable` when PostgreSQL is away.
    """

    db: Database
    clock: Clock

    async def count_attempt(self, windows: Sequence[Window]) -> Outcome:
        rows = await queries.count_attempt(
            self.db,
            [window.key for window in windows],
            [window.amount for window in windows],
            [window.seconds for window in windows],
            self.clock.now(),
        )
        found = {row["key"]: row for row in rows}
        counted = all(row["counted"] for row in rows)
        tallies = tuple(
            Tally(window, found[window.key]["count"], found[window.key]["expires_at"])
            for window in windows
        )
        if counted and any(tally.count > tally.window.amount for tally in tallies):
            # Another took the last place after our statement had looked.
            await self.give_back(tallies)
            return Outcome(False, tuple(_without_one(tally) for tally in tallies))
        return Outcome(counted, tallies)

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
        """Nothing to do: the database belongs to whoever handed it in."""


def _without_one(tally: Tally) -> Tally:
    return Tally(tally.window, tally.count - 1, tally.expires_at)
