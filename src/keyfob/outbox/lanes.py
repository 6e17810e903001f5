"""Lanes: the number of running jobs of a kind, and pauses while another system is down."""

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
    """The jobs of one kind in one worker.

    While the mail server is down, one job at a time tries it, after pauses of 1, 2, 4 ... 30 s; the
    others wait in the database, instead of waiting for time-outs of their own.

    Jobs that take long are set aside: each continues, and another begins in its place. Threat:
    otherwise a dozen recipients with slow servers would delay everybody's mails.

    Args:
        width: the number of jobs that run at once.
        aside: the number of further jobs that may be set aside.
        prompt: the seconds after which a running job is set aside.
    """

    width: int = _WIDTH
    aside: int = _WIDTH
    prompt: float = 2.0
    _begun: dict[UUID, _Begun] = field(default_factory=dict)
    _failures: int = 0
    _closed_until: datetime | None = None

    def capacity(self, now: datetime, tick: float) -> int:
        """Return the number of jobs that may begin; `tick` is the time of the event loop."""
        if self._is_closed(now):
            return 0
        # A job that checks whether the other system works again is not set aside: all wait for it.
        long = sum(tick - one.at >= self.prompt and not one.probes for one in self._begun.values())
        width = 1 if self._failures else self.width
        return width - (len(self._begun) - min(long, self.aside))

    def enter(self, job_id: UUID, tick: float) -> None:
        """Count a job that begins."""
        self._begun[job_id] = _Begun(tick, probes=self._failures > 0)

    def leave(self, job_id: UUID) -> None:
        """Count a job that has ended."""
        del self._begun[job_id]

    def close(self, now: datetime) -> None:
        """Let no job begin for a while; jobs that fail together count once."""
        if not self._is_closed(now):
            pause = min(_LONGEST_PAUSE, 2.0**self._failures)
            self._failures = min(self._failures + 1, 10)
            self._closed_until = now + timedelta(seconds=pause)

    def open(self) -> None:
        """Let jobs begin again: the other system answers."""
        self._failures, self._closed_until = 0, None

    def _is_closed(self, now: datetime) -> bool:
        return self._closed_until is not None and now < self._closed_until
