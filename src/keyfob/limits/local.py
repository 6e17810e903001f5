"""A rate limit per worker, in memory, for requests too frequent for a round trip each."""

import math
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime
from itertools import islice

from keyfob.core.addresses import networks_of
from keyfob.core.clock import Clock
from keyfob.core.problems import TooManyRequests
from keyfob.limits.models import WORTH, RateState, Rule, Tally

MAX_ENTRIES = 100_000


class LocalRate:
    """Counts in this worker's memory, in windows that begin at multiples of their length.

    Only a 64-bit hash of each key is stored, for at most `max_entries` keys; then the older half is
    dropped. 100,000 entries take about 9 MB.
    """

    def __init__(
        self, rule: Rule, clock: Clock, max_entries: int = MAX_ENTRIES, *, times: int = 1
    ) -> None:
        self._rule = rule
        self._clock = clock
        self._times = times
        self._windows = [
            _Window(item.amount * times, item.get_expiry(), max(2, max_entries // len(rule.items)))
            for item in rule.items
        ]

    def hit(self, key: Hashable) -> None:
        """Count one request of a key, such as a session's id.

        Raises:
            TooManyRequests: one of the windows of the key is full.
        """
        digest = hash(key)
        self._refuse_full(key, digest)
        for window in self._windows:
            window.add(digest)

    def ensure_free(self, key: Hashable) -> None:
        """Raise as `hit` does, but count nothing."""
        self._refuse_full(key, hash(key))

    def is_free(self, key: Hashable) -> bool:
        """Tell whether a request of a key could be counted still."""
        return not self._wait(hash(key), self._clock.now())

    def _refuse_full(self, key: Hashable, digest: int) -> None:
        if not self._windows:
            return
        now = self._clock.now()
        if wait := self._wait(digest, now):
            raise TooManyRequests(wait, self._state(key, digest, now).headers)

    def _wait(self, digest: int, now: datetime) -> int:
        seconds = now.timestamp()
        return max((window.wait(digest, seconds) for window in self._windows), default=0)

    def _state(self, key: Hashable, digest: int, now: datetime) -> RateState:
        named = self._rule.windows(str(key), times=self._times)
        windows = zip(named, self._windows, strict=True)
        return RateState(
            [Tally(named, own.counts.get(digest, 0), own.ends_at) for named, own in windows], now
        )

    def __len__(self) -> int:
        """Return the number of stored counts."""
        return sum(len(window.counts) for window in self._windows)


class LocalFailures:
    """Counts per client address what failed, in this worker's memory; what succeeds is free.

    For secrets that nobody can guess: what is limited is the work that failures cause. The networks
    around an IPv6 address count, too, as for the limits of routes.
    """

    def __init__(self, rule: Rule, clock: Clock) -> None:
        self._rates = [LocalRate(rule, clock, times=worth) for worth in WORTH]

    def is_free(self, address: str) -> bool:
        """Tell whether a failure from there could be counted still."""
        return all(rate.is_free(network) for network, rate in self._counted(address))

    def count(self, address: str) -> None:
        """Count a failure.

        Raises:
            TooManyRequests: too much has failed from there; then it was not counted.
        """
        for network, rate in self._counted(address):
            rate.ensure_free(network)
        for network, rate in self._counted(address):
            rate.hit(network)

    def _counted(self, address: str) -> Iterable[tuple[str, LocalRate]]:
        return zip(networks_of(address), self._rates, strict=False)


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
        """Return the seconds that this key has to wait; 0 if it need not."""
        number, passed = divmod(now, self.seconds)
        if number != self.number:
            self.number = int(number)
            self.counts = {}
        if self.counts.get(digest, 0) < self.amount:
            return 0
        return math.ceil(self.seconds - passed)

    def add(self, digest: int) -> None:
        if len(self.counts) >= self.max_entries and digest not in self.counts:
            # By half, because repeatedly taking the first key of a dict scans the removed ones each
            # time.
            for oldest in list(islice(self.counts, self.max_entries // 2)):
                del self.counts[oldest]
        self.counts[digest] = self.counts.get(digest, 0) + 1
