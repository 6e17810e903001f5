"""A rate per worker, in memory: for what is too hot for a round trip."""

import math
from collections.abc import Hashable
from datetime import UTC, datetime
from itertools import islice

from keyfob.core.clock import Clock
from keyfob.core.problems import TooManyRequests
from keyfob.limits.models import RateState, Rule, Tally

MAX_ENTRIES = 100_000


class LocalRate:
    """Counts in this worker's memory, in windows that begin at multiples of their length.

    Of a key only its 64-bit hash is kept, and at most `max_entries` of them; then the older half
    is forgotten. 100,000 entries are some 9 MB.
    """

    def __init__(self, rule: Rule, clock: Clock, max_entries: int = MAX_ENTRIES) -> None:
        self._rule = rule
        self._clock = clock
        self._windows = [
            _Window(item.amount, item.get_expiry(), max(2, max_entries // len(rule.items)))
            for item in rule.items
        ]

    def hit(self, key: Hashable) -> None:
        """Count one request of a key, such as a session's id.

        Raises:
            TooManyRequests: the key has no room left in one of the windows.
        """
        if not self._windows:
            return
        now = self._clock.now()
        digest = hash(key)
        waits = [window.wait(digest, now.timestamp()) for window in self._windows]
        if any(waits):
            raise TooManyRequests(max(waits), self._state(key, digest, now).headers)
        for window in self._windows:
            window.add(digest)

    def _state(self, key: Hashable, digest: int, now: datetime) -> RateState:
        windows = zip(self._rule.windows(str(key)), self._windows, strict=True)
        return RateState(
            [Tally(named, own.counts.get(digest, 0), own.ends_at) for named, own in windows], now
        )

    def __len__(self) -> int:
        """Return how many counts are kept."""
        return sum(len(window.counts) for window in self._windows)


class _Window:
    def __init__(self, amount: int, seconds: int, max_entries: int) -> None:
        self.amount = amount
        self.seconds = seconds
        self.max_entries = max_entries
        self.number = -1
        self.counts: dict[int, int] = {}

    @property
    def ends_at(self) -> datetime:
        return datetime.fromtimestamp((self.number + 1) * self.seconds, UTC)

    def wait(self, digest: int, now: float) -> int:
        """Return for how many seconds this one has to wait: 0 if there is room."""
        number, passed = divmod(now, self.seconds)
        if number != self.number:
            self.number = int(number)
            self.counts = {}
        if self.counts.get(digest, 0) < self.amount:
            return 0
        return math.ceil(self.seconds - passed)

    def add(self, digest: int) -> None:
        if len(self.counts) >= self.max_entries and digest not in self.counts:
            # By half, because taking the first of a dict again and again scans what was taken.
            for oldest in list(islice(self.counts, self.max_entries // 2)):
                del self.counts[oldest]
        self.counts[digest] = self.counts.get(digest, 0) + 1
