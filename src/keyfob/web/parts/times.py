"""Times and numbers as the reader writes them: in their zone, and in the language of the moment.

The names of months stand in the catalogues, since Babel costs a worker 7 MB. A time is marked up
for `keyfob.js`, which writes it anew where the server does not know the zone, and keeps
"5 minutes ago" true.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from keyfob.core.locales import N_, _, gettext, ngettext

Form = Literal["day", "moment", "clock", "ago"]

_MONTHS = (
    N_("%(day)s Jan %(year)s"),
    N_("%(day)s Feb %(year)s"),
    N_("%(day)s Mar %(year)s"),
    N_("%(day)s Apr %(year)s"),
    N_("%(day)s May %(year)s"),
    N_("%(day)s Jun %(year)s"),
    N_("%(day)s Jul %(year)s"),
    N_("%(day)s Aug %(year)s"),
    N_("%(day)s Sep %(year)s"),
    N_("%(day)s Oct %(year)s"),
    N_("%(day)s Nov %(year)s"),
    N_("%(day)s Dec %(year)s"),
)
_WEEKDAYS = (
    N_("Monday, %(day)s"),
    N_("Tuesday, %(day)s"),
    N_("Wednesday, %(day)s"),
    N_("Thursday, %(day)s"),
    N_("Friday, %(day)s"),
    N_("Saturday, %(day)s"),
    N_("Sunday, %(day)s"),
)
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_LONGEST_AGO = 7 * _DAY


class _Reader(NamedTuple):
    zone: ZoneInfo
    now: datetime
    is_zone_known: bool


_NOBODY = _Reader(ZoneInfo("UTC"), datetime(1, 1, 1, tzinfo=UTC), is_zone_known=False)
_reader = ContextVar("reader", default=_NOBODY)


@contextmanager
def reading(zone: str | None, now: datetime) -> Iterator[None]:
    """Let the functions below write for a reader, in this task alone.

    Args:
        zone: the reader's zone (IANA); None if it is not known, which is UTC until the page's
            script writes the browser's.
        now: the time that "ago" counts from.

    Raises:
        ZoneInfoNotFoundError: there is no such zone.
    """
    token = _reader.set(_Reader(ZoneInfo(zone or "UTC"), now, zone is not None))
    try:
        yield
    finally:
        _reader.reset(token)


def move_to(zone: str) -> None:
    """Write in another zone from here to the end of `reading`."""
    _reader.set(_reader.get()._replace(zone=ZoneInfo(zone), is_zone_known=True))


def day(at: datetime | None) -> Markup | str:
    """Return a day such as "27 Nov 2026"; "never" for None."""
    return _never() if at is None else _marked(at, "day", _date(_local(at)))


def moment(at: datetime | None) -> Markup | str:
    """Return a time such as "27 Nov 2026, 14:03"; "never" for None."""
    return _never() if at is None else _marked(at, "moment", _minute(_local(at)))


def clock(at: datetime) -> Markup:
    """Return the time of a day that is named elsewhere, such as "14:03"."""
    return _marked(at, "clock", f"{_local(at):%H:%M}")


def ago(at: datetime | None) -> Markup | str:
    """Return "5 minutes ago" or "in 2 hours"; beyond a week the day; "never" for None."""
    if at is None:
        return _never()
    passed = round((_reader.get().now - at).total_seconds())
    if abs(passed) >= _LONGEST_AGO:
        return day(at)
    return _marked(at, "ago", _since(passed) if passed >= 0 else _until(-passed))


def heading(on: date) -> str:
    """Return the heading of a day's lines: "Today", "Yesterday", "Friday, 27 Nov 2026"."""
    today = _local(_reader.get().now).date()
    if on == today:
        return _("Today")
    if on == today - timedelta(days=1):
        return _("Yesterday")
    return gettext(_WEEKDAYS[on.weekday()]) % {"day": _date(on)}


def date_in_words(on: date) -> str:
    """Return a date such as "27 Nov 2026", where no markup can be."""
    return _date(on)


def hour_in_words(at: datetime) -> str:
    """Return the reader's time of the day, such as "14:00", where no markup can be."""
    return f"{_local(at):%H:%M}"


def local_date(at: datetime) -> date:
    """Return the reader's date at a time."""
    return _local(at).date()


def zone_of_reader() -> ZoneInfo:
    """Return the zone in which times are written now."""
    return _reader.get().zone


def start_of(on: date) -> datetime:
    """Return the time when a date of the reader's begins; "until" a date ends with the next."""
    return datetime.combine(on, time(), _reader.get().zone).astimezone(UTC)


def number(value: int) -> str:
    """Return a whole number with its thousands apart, such as "1,204"."""
    # Translators: one thousand, with the mark between its digits (or a no-break space)
    return f"{value:,}".replace(",", _("1,000")[1:-3])


def percent(share: float) -> str:
    """Return a share, of 1, in percent."""
    return _("%(num)s%%") % {"num": round(share * 100)}


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units, such as "3 h 12 min"."""
    whole = round(seconds)
    if whole < _MINUTE:
        return _("%(seconds)s s") % {"seconds": whole}
    if whole < _HOUR:
        return _("%(minutes)s min") % {"minutes": whole // _MINUTE}
    if whole < _DAY:
        hours, rest = divmod(whole, _HOUR)
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": rest // _MINUTE}
    days, rest = divmod(whole, _DAY)
    return _("%(days)s d %(hours)s h") % {"days": number(days), "hours": rest // _HOUR}


FILTERS: Mapping[str, Callable[..., Any]] = {
    "day": day,
    "moment": moment,
    "clock": clock,
    "ago": ago,
    "heading": heading,
    "local_date": local_date,
    "number": number,
    "percent": percent,
    "duration": duration,
}


def _marked(at: datetime, form: Form, text: str) -> Markup:
    reader, utc = _reader.get(), at.astimezone(UTC)
    second = _second(utc)
    title = f"{_date(utc)}, {second} UTC"
    zone = ""
    if reader.is_zone_known:
        local, key = at.astimezone(reader.zone), reader.zone.key
        title = f"{_date(local)}, {_second(local)} {key} ({title})"
        zone = f' data-zone="{key}"'
    # A list has dozens of times, and `Markup.format` would take most of their cost.
    return Markup(  # noqa: S704 - made of names of ours and of zones, and of escaped words
        f'<time datetime="{utc.date()}T{second}Z" title="{escape(title)}"'
        f' data-form="{form}"{zone}>{escape(text)}</time>'
    )


def _second(at: datetime) -> str:
    """Return the time of the day in ISO 8601, at a quarter of the cost of `strftime`."""
    return at.isoformat(timespec="seconds")[11:19]


def _local(at: datetime) -> datetime:
    return at.astimezone(_reader.get().zone)


def _date(on: date) -> str:
    return gettext(_MONTHS[on.month - 1]) % {"day": on.day, "year": on.year}


def _minute(at: datetime) -> str:
    return _("%(day)s, %(time)s") % {"day": _date(at), "time": f"{at:%H:%M}"}


def _never() -> str:
    return _("never")


def _since(passed: int) -> str:
    if passed < _MINUTE:
        return _("just now")
    if passed < _HOUR:
        count = passed // _MINUTE
        return ngettext("%(num)s minute ago", "%(num)s minutes ago", count) % {"num": count}
    if passed < _DAY:
        count = passed // _HOUR
        return ngettext("%(num)s hour ago", "%(num)s hours ago", count) % {"num": count}
    count = passed // _DAY
    return ngettext("%(num)s day ago", "%(num)s days ago", count) % {"num": count}


def _until(left: int) -> str:
    if left < _MINUTE:
        return _("in less than a minute")
    if left < _HOUR:
        count = left // _MINUTE
        return ngettext("in %(num)s minute", "in %(num)s minutes", count) % {"num": count}
    if left < _DAY:
        count = left // _HOUR
        return ngettext("in %(num)s hour", "in %(num)s hours", count) % {"num": count}
    count = left // _DAY
    return ngettext("in %(num)s day", "in %(num)s days", count) % {"num": count}
