"""Recent refusals, which are repeated without counting again."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from keyfob.limits.models import Tally, Window

MAX_KEPT = 10_000
KEPT_FOR = timedelta(seconds=1)


class Refused:
    """Remembers full windows for a second, in this worker; repeated requests cost no statement.

    It does not wait for the end of the window: of requests that race for the last place in a shared
    window, the losers are counted for a moment, and a request that saw this count must not be
    refused for long. At most `max_kept` are kept, about 10 MB; then the older half is dropped.
    """

    def __init__(self, max_kept: int = MAX_KEPT) -> None:
        self._max_kept = max_kept
        self._kept: dict[tuple[str, ...], tuple[datetime, tuple[Tally, ...]]] = {}

    def find(self, windows: Sequence[Window], now: datetime) -> tuple[Tally, ...] | None:
        """Return the counts with which these windows were refused, if that is remembered."""
        keys = _keys(windows)
        until, tallies = self._kept.get(keys, (now, ()))
        if until > now:
            return tallies
        self._kept.pop(keys, None)
        return None

    def add(self, windows: Sequence[Window], tallies: tuple[Tally, ...], now: datetime) -> None:
        """Remember the counts with which these windows were refused."""
        ends = [tally.expires_at for tally in tallies if not tally.remaining]
        if len(self._kept) >= self._max_kept:
            for keys in list(self._kept)[: self._max_kept // 2]:
                del self._kept[keys]
        self._kept[_keys(windows)] = (min([now + KEPT_FOR, *ends]), tallies)

    def __len__(self) -> int:
        """Return the number of remembered refusals."""
        return len(self._kept)


def _keys(windows: Sequence[Window]) -> tuple[str, ...]:
    return tuple(window.key for window in windows)
