"""What was refused a moment ago, and is refused until its window ends."""

from collections.abc import Sequence
from datetime import datetime

from keyfob.limits.models import Tally, Window

MAX_KEPT = 10_000


class Refused:
    """Remembers full windows, in this worker: who goes on asking costs no statement.

    A fixed window of requests that is full stays so until its end, whoever counts. At most
    `max_kept` are kept, some 10 MB; then the older half is forgotten, and asked for again.
    """

    def __init__(self, max_kept: int = MAX_KEPT) -> None:
        self._max_kept = max_kept
        self._kept: dict[tuple[str, ...], tuple[Tally, ...]] = {}

    def find(self, windows: Sequence[Window], now: datetime) -> tuple[Tally, ...] | None:
        """Return what was counted when these windows were refused, while one is still full."""
        keys = _keys(windows)
        tallies = self._kept.get(keys)
        if tallies is None:
            return None
        still = tuple(tally for tally in tallies if tally.expires_at > now)
        if all(tally.remaining for tally in still):
            del self._kept[keys]
            return None
        return still

    def add(self, windows: Sequence[Window], tallies: tuple[Tally, ...]) -> None:
        """Keep what was counted when these windows were refused."""
        if len(self._kept) >= self._max_kept:
            for keys in list(self._kept)[: self._max_kept // 2]:
                del self._kept[keys]
        self._kept[_keys(windows)] = tallies

    def __len__(self) -> int:
        """Return how many refusals are kept."""
        return len(self._kept)


def _keys(windows: Sequence[Window]) -> tuple[str, ...]:
    return tuple(window.key for window in windows)
