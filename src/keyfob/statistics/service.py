"""Statistics: read from tallies of quarters of an hour, and from what happened since."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.problems import Unavailable
from keyfob.statistics import queries
from keyfob.statistics.models import By, Period, Present, Sample, Series
from keyfob.statistics.periods import QUARTER, edges_of

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Lines are written late: one that no factor followed may come so long after its time.
_LATE = timedelta(minutes=30)
_KEPT = timedelta(days=400)
# What one statement counts, and what is counted with a question if the tallies are behind.
_AT_ONCE = timedelta(hours=6)
# A sample that is taken later than this would be of another moment.
_PROMPT = timedelta(minutes=2)


_OF_PRESENT = ("active_day", "active_month", "with_factor", "with_passkey", "live_sessions")


class _Result(NamedTuple):
    value: Any
    good_until: float


@dataclass(kw_only=True)
class Statistics:
    """Counts sign-ins and accounts, without loading the database.

    A worker asks one question at a time, and gives the answer to all who ask the same meanwhile and
    for some time after: so it keeps the database busy for a small part of the time at most.

    Args:
        db: the database.
        clock: the clock.
        idle_ttl: the time after which a session without activity has ended.
        reuse: for how many times as long as an answer took it is reused.
        most_seconds: the longest time for which an answer is reused.
        most_kept: the number of answers that are kept.
        most_waiting: the number of requests that may wait for an answer.
        most_counted: the number of accounts above which the present figures are those of the last
            quarter of an hour: counting a million takes a second.
    """

    db: Database
    clock: Clock
    idle_ttl: timedelta
    reuse: float = 100
    most_seconds: float = 60
    most_kept: int = 32
    most_waiting: int = 8
    most_counted: int = 100_000
    _results: dict[Hashable, _Result] = field(default_factory=dict)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0
    _counted_until: datetime = _EPOCH

    async def read(
        self,
        by: By = By.DAY,
        *,
        zone: ZoneInfo,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Series:
        """Return what happened by hour or day of a time zone; see `edges_of`.

        Raises:
            InvalidInput: see `edges_of`.
            Unavailable: too many wait for statistics, or the database does not answer.
        """
        edges = edges_of(by, zone, since, until, self.clock.now())
        return await self._reuse((by, edges), lambda: self._read(by, edges))

    async def present(self) -> Present:
        """Return the present figures.

        Raises:
            Unavailable: see `read`.
        """
        return await self._reuse("present", self._present)

    async def count(self) -> None:
        """Bring the tallies up to date, six hours at a time, unless another worker does it."""
        until = _quarter_of(self.clock.now() - _LATE)
        if until <= self._counted_until:
            return
        while await self._count_some(until):
            pass
        self._counted_until = until  # a sample that takes too long is not tried again
        await self._sample()

    async def delete_old(self) -> None:
        """Delete tallies after 400 days."""
        before = self.clock.now() - _KEPT
        await in_batches(lambda limit: queries.delete_old(self.db, before, limit))

    async def _count_some(self, until: datetime) -> bool:
        """Count some of what is not counted; tell whether there is more to count here."""
        async with self.db.begin() as tx:
            if not await queries.lock_tallies(tx):
                return False
            counted = await queries.find_counted(tx)
            if counted is None:
                first = await queries.find_first(tx) or until
                counted = _quarter_of(max(first, until - _KEPT))
            if counted < until:
                await queries.insert_tallies(tx, counted, min(counted + _AT_ONCE, until))
            return counted + _AT_ONCE < until

    async def _sample(self) -> None:
        now = self.clock.now()
        at = _quarter_of(now)
        if now - at <= _PROMPT:
            async with self.db.begin() as tx:
                if await queries.lock_tallies(tx) and not await queries.find_sample(tx, at):
                    figures = await queries.get_figures(tx, at, self.idle_ttl)
                    await queries.insert_sample(tx, at, figures)

    async def _read(self, by: By, edges: tuple[datetime, ...]) -> Series:
        now = self.clock.now()
        amounts = await queries.list_amounts(self.db, edges, now - _AT_ONCE)
        reasons: dict[int, dict[tuple[str, str], int]] = defaultdict(dict)
        registered: Counter[int] = Counter()
        samples: dict[int, dict[str, int]] = defaultdict(dict)
        used: dict[str, dict[str, int]] = {"device": {}, "browser": {}}
        for series, number, label, amount in amounts:
            if series == "sign_in":
                outcome, _, reason = label.partition(" ")
                reasons[number][outcome, reason] = amount
            elif series == "registered":
                registered[number] = amount
            elif series == "sampled":
                samples[number][label] = amount
            else:
                used[series][label] = amount
        periods = [
            Period(
                edges[number],
                edges[number + 1],
                reasons[number],
                registered[number],
                _sample_of(by, samples[number]),
            )
            for number in range(len(edges) - 1)
        ]
        return Series(now, periods, used["device"], used["browser"])

    async def _present(self) -> Present:
        as_of = self.clock.now()
        accounts = await queries.count_accounts(self.db)
        sample = None
        if sum(accounts.values()) > self.most_counted:
            sample = await queries.find_sample(self.db, as_of - 2 * QUARTER)
        if sample:
            as_of, figures = sample
        else:
            figures = await queries.get_figures(self.db, as_of, self.idle_ttl)
        return Present(
            as_of=as_of,
            accounts=accounts,
            **{name: figures[name] for name in _OF_PRESENT},
            admins_without_factor=await queries.count_admins_without_factor(self.db),
        )

    async def _reuse(self, asked: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        if self._waiting >= self.most_waiting:
            raise Unavailable("Too many wait for statistics", retry_after=2)
        self._waiting += 1
        try:
            async with self._asking:
                return await self._ask(asked, ask)
        finally:
            self._waiting -= 1

    async def _ask(self, asked: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        known = self._results.pop(asked, None)
        began = time.monotonic()
        if known is None or known.good_until <= began:
            value: Any = await ask()
            now = time.monotonic()
            known = _Result(value, now + min(self.most_seconds, self.reuse * (now - began)))
        self._results[asked] = known  # the last one in order
        while len(self._results) > self.most_kept:
            del self._results[next(iter(self._results))]
        found: T = known.value
        return found


def _quarter_of(moment: datetime) -> datetime:
    return moment - (moment - _EPOCH) % QUARTER


def _sample_of(by: By, figures: dict[str, int]) -> Sample | None:
    if not figures:
        return None
    active = figures["active_hour" if by is By.HOUR else "active_day"]
    return Sample(active, *(figures[name] for name in Sample._fields[1:]))
