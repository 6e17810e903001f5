"""Hours and days of a time zone, as moments."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from keyfob.core.problems import InvalidInput
from keyfob.statistics.models import By

# The offsets of all time zones are multiples of it.
QUARTER = timedelta(minutes=15)

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
MOST = {By.HOUR: 7 * _DAY, By.DAY: 90 * _DAY}
USUAL = {By.HOUR: _DAY, By.DAY: 30 * _DAY}

# Much older and much later moments cannot be expressed in every zone.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def edges_of(
    by: By, zone: ZoneInfo, since: datetime | None, until: datetime | None, now: datetime
) -> tuple[datetime, ...]:
    """Return where periods begin, in UTC, and the end of the last one.

    They cover everything from `since` on and before `until`. A day is from midnight to midnight
    there, so it may have 23 or 25 hours. By default they end with the present one.

    Raises:
        InvalidInput: the end is not after the beginning, or there are too many.
    """
    until = until or now
    if not _EARLIEST < until < _LATEST:
        raise _invalid("until", "should be between the years 2000 and 2200")
    since = until - USUAL[by] if since is None else since
    if since >= until:
        raise _invalid("since", "should be before the end")
    if until - since > MOST[by]:
        most = MOST[by]
        raise _invalid("since", f"should be at most {most.days} days before the end, by {by}")
    edge = _begin(by, zone, since)
    edges = [edge]
    while edge < until:
        edge = _next(by, zone, edge)
        edges.append(edge)
    return tuple(edges)


def _begin(by: By, zone: ZoneInfo, moment: datetime) -> datetime:
    """Return the beginning of the hour or day of a moment."""
    there = moment.astimezone(zone)
    if by is By.DAY:
        return datetime(there.year, there.month, there.day, tzinfo=zone).astimezone(UTC)
    within = timedelta(minutes=there.minute, seconds=there.second, microseconds=there.microsecond)
    begin = moment.astimezone(UTC) - within
    while begin.astimezone(zone).hour != there.hour:  # clocks were set forward within this hour
        begin += QUARTER
    return begin


def _next(by: By, zone: ZoneInfo, edge: datetime) -> datetime:
    """Return the beginning of the next one; where clocks are set by half an hour it is short."""
    if by is By.HOUR:
        return _begin(by, zone, edge + _HOUR)
    there = edge.astimezone(zone).date()
    following = edge
    while following <= edge:  # a zone that changed sides of the date line has left out a day
        there += _DAY
        following = _begin(by, zone, datetime(there.year, there.month, there.day, tzinfo=zone))
    return following


def _invalid(name: str, detail: str) -> InvalidInput:
    return InvalidInput([{"pointer": f"/query/{name}", "detail": detail}])
