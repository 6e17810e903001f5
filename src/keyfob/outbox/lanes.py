"""How many jobs of a kind are under way, and a pause for all of them where the world is away."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

_WIDTH = 8
_LONGEST_PAUSE = 30.0


class _Begun(NamedTuple):
    at: float
    probes: bool


@dataclass
class Lane:
    """One kind of job in one worker.

    While the mail server is away, one job at a time tries it, after pauses of 1, 2, 4 ... 30 s;
    the others wait in the database, and do not each wait for a time-out of their own.

    Jobs that take long are set aside: each goes on, and another begins in its place. Threat: a
    dozen recipients whose server takes its time would else hold up everybody's mails.

    Args:
        width: how many are under way at once.
        aside: how many more may be set aside.
        prompt: seconds; what is under way for longer is set aside.
    """

    width: int = _WIDTH
    aside: int = _WIDTH
    prompt: float = 2.0
    _begun: dict[UUID, _Begun] = field(default_factory=dict)
    _failures: int = 0
    _closed_until: datetime | None = None

    def room(self, now: datetime, tick: float) -> int:
        """Return how many more may begin; `tick` is the time of the event loop."""
        if self._is_closed(now):
            return 0
        # One that finds out whether the world is back is not set aside: it stands for all.
        long = sum(tick - one.at >= self.prompt and not one.probes for one in self._begun.values())
        width = 1 if self._failures else self.width
        return width - (len(self._begun) - min(long, self.aside))

    def enter(self, job_id: UUID, tick: float) -> None:
        """Count one that begins."""
        self._begun[job_id] = _Begun(tick, probes=self._failures > 0)

    def leave(self, job_id: UUID) -> None:
        """Count one that has ended."""
        del self._begun[job_id]

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
