"""Lines of both logs as a timeline: by day, with a sentence, a place and the values."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from markupsafe import Markup

from keyfob.audit.events import Event
from keyfob.audit.models import ListedEvent
from keyfob.login_log.models import LoggedAttempt, Outcome
from keyfob.web.parts.sentences import Change, tell_attempt, tell_changes, tell_event
from keyfob.web.parts.times import local_date

Link = Callable[[str, UUID], str | None]

_PICTURES = {Outcome.SUCCEEDED: "check", Outcome.REFUSED: "warning", Outcome.ENDED: "sign-out"}
_KINDS = {Outcome.SUCCEEDED: "good", Outcome.REFUSED: "bad", Outcome.ENDED: ""}
_ABOUT = {
    "shield": ("factor",),
    "sign-out": ("session",),
    "person": ("user",),
    "app": ("client", "resource"),
    "lock": ("role",),
    "key": ("api_key", "key"),
    "mail": ("mail", "outbox"),
}
_BY_PREFIX = {about: picture for picture, all_about in _ABOUT.items() for about in all_about}


class Entry(NamedTuple):
    """One line: `places` are where it came from, `raw` is the line as JSON."""

    id: str
    at: datetime
    sentence: Markup
    picture: str
    kind: str
    places: tuple[str, ...]
    changes: list[Change]
    raw: str


class Day(NamedTuple):
    """The lines of one day of the reader, newest first."""

    date: date
    entries: list[Entry]


def entry_of_attempt(attempt: LoggedAttempt, link: Link) -> Entry:
    """Return a line of the login log."""
    device = ", ".join(filter(None, (attempt.browser, attempt.os)))
    address = str(attempt.ip_address) if attempt.ip_address else ""
    return Entry(
        id=str(attempt.id),
        at=attempt.at,
        sentence=tell_attempt(attempt, link),
        picture=_PICTURES[attempt.outcome],
        kind=_KINDS[attempt.outcome],
        places=tuple(filter(None, (device, address))),
        changes=[],
        raw=_raw({name: value for name, value in attempt._asdict().items() if value is not None}),
    )


def entry_of_event(listed: ListedEvent, link: Link) -> Entry:
    """Return a line of the audit log."""
    event = listed.event
    address = str(event.ip_address) if event.ip_address else ""
    return Entry(
        id=str(event.position),
        at=event.at,
        sentence=tell_event(listed, link),
        picture=_BY_PREFIX.get(event.action.partition(".")[0], "info"),
        kind="bad" if event.action == Event.SESSION_REUSE_DETECTED else "",
        places=tuple(filter(None, (address,))),
        changes=tell_changes(event.old_values, event.new_values),
        raw=_raw({name: value for name, value in _values(event) if value is not None}),
    )


def by_day(entries: Iterable[Entry]) -> Sequence[Day]:
    """Group lines, newest first, by the reader's days."""
    days: list[Day] = []
    for entry in entries:
        day = local_date(entry.at)
        if not days or days[-1].date != day:
            days.append(Day(day, []))
        days[-1].entries.append(entry)
    return days


def _values(event: object) -> Iterable[tuple[str, object]]:
    names = ("position", "at", "action", "actor_id", "target_id", "old_values", "new_values")
    return ((name, getattr(event, name)) for name in (*names, "ip_address"))


def _raw(values: dict[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2, default=str)
