"""What was refused a moment ago, and is refused again without being counted."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from keyfob.limits.models import Tally, Window

MAX_KEPT = 10_000
KEPT_FOR = timedelta(seconds=1)


class Refused:
    """Remembers full windows for a second, in this worker: who goes on asking costs no statement.

    Not to the window's end: of those who race for the last place in a window that many share, the
    losers are counted for a moment, and whoever looked at it then must not be refused for long.
    At most `max_kept` are kept, some 10 MB; then the older half is forgotten.
    """

    def __init__(self, max_kept: int = MAX_KEPT) -> None:
        self._max_kept = max_kept
        self._kept: dict[tuple[str, ...], tuple[datetime, tuple[Tally, ...]]] = {}

    def find(self, windows: Sequence[Window], now: datetime) -> tuple[Tally, ...] | None:
        """Return what was counted when these windows were refused, while that is known."""
        keys = _keys(windows)
        until, tallies = self._kept.get(keys, (now, ()))
        if until > now:
            return tallies
        self._kept.pop(keys, None)
        return None

    def add(self, windows: Sequence[Window], tallies: tuple[Tally, ...], now: datetime) -> None:
        """Keep what was counted when these windows were refused."""
        ends = [tally.expires_at for tally in tallies if not tally.remaining]
        if len(self._kept) >= self._max_kept:
            for keys in list(self._kept)[: self._max_kept // 2]:
                del self._kept[keys]
        self._kept[_keys(windows)] = (min([now + KEPT_FOR, *ends]), tallies)

    def __len__(self) -> int:
        """Return how many refusals are kept."""
        return len(self._kept)


def _keys(windows: Sequence[Window]) -> tuple[str, ...]:
    return tuple(window.key for window in windows)
