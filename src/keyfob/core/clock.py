"""The only source of wall-clock time. SQL gets it as a parameter, so that tests can move it."""

import time
from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger("keyfob.clock")

# Revocations and keys are kept for so much longer than any token that they apply to: the database's
# clock may jump that far and come back, and nothing is forgotten too early.
SKEW = timedelta(minutes=5)

# Seconds by which this clock may differ from the database's.
_TOLERANCE = 0.25

# A clock that continues while the machine sleeps, where there is one.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock:
    """Time in UTC, the same for every worker of one database.

    It starts with the system's time and advances with the machine's steady clock, so that setting
    the system's clock has no effect; the feed corrects it by the database's clock. Threat: two
    instances whose clocks differ by more than the grace time would take each other's rotations for
    reuse and sign users out, and a revocation could be forgotten before its tokens expire.
    """

    def __init__(self) -> None:
        system = datetime.now(UTC)  # noqa: TID251 - the one place that may
        self._origin = system.timestamp() - time.clock_gettime(_STEADY)

    def now(self) -> datetime:
        """Return the current time in UTC, with its time zone."""
        return datetime.fromtimestamp(self._origin + time.clock_gettime(_STEADY), UTC)

    def timestamp(self) -> int:
        """Return the current time in whole seconds since the epoch (RFC 7519 NumericDate)."""
        return int(self._origin + time.clock_gettime(_STEADY))

    def follow(self, theirs: datetime, took: float) -> None:
        """Adopt the database's time if this clock certainly differs from it.

        Args:
            theirs: the database's time at some moment of the last `took` seconds.
            took: the seconds from the question to the answer.
        """
        doubt = took / 2
        off = (self.now() - theirs).total_seconds() - doubt
        if abs(off) - doubt > _TOLERANCE:
            self._origin -= off
            log.warning("clock_differs_from_database", seconds=round(off, 3))
