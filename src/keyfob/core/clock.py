"""The only source of wall-clock time. SQL takes it as a parameter, so that tests can move it."""

import time
from datetime import UTC, datetime, timedelta

import structlog

log = structlog.get_logger("keyfob.clock")

# How far the database's own clock may jump, and come back, with nothing being forgotten too early:
# a revocation or a key is kept so much longer than any token that it could meet.
SKEW = timedelta(minutes=5)

# Seconds by which this clock may differ from the database's.
_TOLERANCE = 0.25

# Where there is one, a clock that goes on while the machine sleeps.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock:
    """Time in UTC, the same for every worker of one database.

    It begins with the system's time and goes on by the machine's steady clock, so that setting the
    system's clock moves nobody; the feed holds it to the database's clock. Threat: two instances
    whose clocks are further apart than the grace time would take each other's rotations for reuse
    and sign people out, and a revocation could be forgotten before its tokens expire.
    """

    def __init__(self) -> None:
        system = datetime.now(UTC)  # noqa: TID251 - the one place that may
        self._origin = system.timestamp() - time.clock_gettime(_STEADY)

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.fromtimestamp(self._origin + time.clock_gettime(_STEADY), UTC)

    def timestamp(self) -> int:
        """Return the present moment as whole seconds since the epoch (RFC 7519 NumericDate)."""
        return int(self._origin + time.clock_gettime(_STEADY))

    def follow(self, theirs: datetime, took: float) -> None:
        """Take the database's time if this one is surely off.

        Args:
            theirs: the database's time at some moment of the last `took` seconds.
            took: seconds from the question to the answer.
        """
        doubt = took / 2
        off = (self.now() - theirs).total_seconds() - doubt
        if abs(off) - doubt > _TOLERANCE:
            self._origin -= off
            log.warning("clock_differs_from_database", seconds=round(off, 3))
