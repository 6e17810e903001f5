"""The only source of wall-clock time. SQL takes it as a parameter, so that tests can move it."""

from datetime import UTC, datetime


class Clock:
    """The system's clock in UTC."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that may

    def timestamp(self) -> int:
        """Return the present moment as whole seconds since the epoch (RFC 7519 NumericDate)."""
        return int(self.now().timestamp())
