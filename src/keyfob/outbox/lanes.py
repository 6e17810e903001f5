"""How many jobs of a kind are under way, and a pause for all of them where the world is away."""

from dataclasses import dataclass
from datetime import datetime, timedelta

_WIDTH = 8
_LONGEST_PAUSE = 30.0


@dataclass
class Lane:
    """One kind of job in one worker.

    While the mail server is away, one job at a time tries it, after pauses of 1, 2, 4 ... 30 s;
    the others wait in the database, and do not each wait for a time-out of their own.
    """

    running: int = 0
    _failures: int = 0
    _closed_until: datetime | None = None

    def room(self, now: datetime) -> int:
        """Return how many more may begin."""
        if self._is_closed(now):
            return 0
        return (1 if self._failures else _WIDTH) - self.running

    def enter(self) -> None:
        """Count one that begins."""
        self.running += 1

    def leave(self) -> None:
        """Count one that has ended."""
        self.running -= 1

    def close(self, now: datetime) -> None:
        """Let none begin for a while; those that fail together count once."""
        if not self._is_closed(now):
            pause = min(_LONGEST_PAUSE, 2.0**self._failures)
            self._failures = min(self._failures + 1, 10)
            self._closed_until = now + timedelta(seconds=pause)

    def open(self) -> None:
        """Let all begin: the world answers."""
        self._failures, self._closed_until = 0, None

    def _is_closed(self, now: datetime) -> bool:
        return self._closed_until is not None and now < self._closed_until
