"""Lines of both logs as a timeline: by day, with a sentence, a place and the values."""

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

from markupsafe import Markup

from keyfob.audit.events import Event
from keyfob.audit.models import ListedEvent, Party
from keyfob.core.locales import ngettext
from keyfob.login_log.models import LoggedAttempt, Outcome
from keyfob.web.parts.devices import device_in_words
from keyfob.web.parts.names import name
from keyfob.web.parts.sentences import (
    Change,
    event_title,
    party_in_words,
    reason_title,
    tell_attempt,
    tell_changes,
    tell_event,
)
from keyfob.web.parts.times import local_date, number

Link = Callable[[str, UUID], str | None]
# Gives the link to the lines of a log ("logins", "audit") that fit filters; empty if all do.
Only = Callable[[str, tuple[tuple[str, str], ...]], str]
Told = TypeVar("Told")

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


class Part(NamedTuple):
    """A part of a line, with the link to the lines that have the same; empty if there is none."""

    words: Markup | str
    href: str = ""


class Entry(NamedTuple):
    """One line, or `amount` of them that differ in nothing but the time.

    The latest was at `at`, the first at `since`. `parts` are what one may filter by, `raw` is the
    link to the line as JSON.
    """

    id: str
    at: datetime
    sentence: Markup
    picture: str
    kind: str
    parts: tuple[Part, ...]
    changes: tuple[Change, ...]
    amount: int = 1
    since: datetime | None = None
    raw: str = ""

    @property
    def amount_in_words(self) -> str:
        """The number of lines that it stands for, in words."""
        words = ngettext("%(amount)s time", "%(amount)s times", self.amount)
        return words % {"amount": number(self.amount)}

    @property
    def begun_at(self) -> datetime | None:
        """The time of the first line, if a clock with minutes shows another than of the latest."""
        if self.since is None or self.at.replace(second=0, microsecond=0) <= self.since:
            return None
        return self.since


class Day(NamedTuple):
    """The lines of one day of the reader, newest first."""

    date: date
    entries: list[Entry]


def entry_of_attempt(attempt: LoggedAttempt, link: Link, only: Only) -> Entry:
    """Return a line of the login log."""
    device = tuple((k, v) for k, v in (("browser", attempt.browser), ("os", attempt.os)) if v)
    parts = [_part(only, "logins", reason_title(attempt.reason), ("kind", attempt.reason))]
    if attempt.user_id is not None:
        who = party_in_words(Party("user", attempt.email, attempt.name), attempt.user_id)
        parts.append(_part(only, "logins", who, ("user", str(attempt.user_id))))
    if device:
        words = device_in_words(attempt.browser, attempt.os)
        parts.append(_part(only, "logins", words, *device))
    return Entry(
        id=str(attempt.id),
        at=attempt.at,
        sentence=tell_attempt(attempt, link),
        picture=_PICTURES[attempt.outcome],
        kind=_KINDS[attempt.outcome],
        parts=(*parts, *_from(only, "logins", attempt.ip_address)),
        changes=(),
    )


def entry_of_event(listed: ListedEvent, link: Link, only: Only) -> Entry:
    """Return a line of the audit log."""
    event = listed.event
    parts = [_part(only, "audit", event_title(event.action), ("kind", event.action))]
    for field, party, party_id in (
        ("actor", listed.actor, event.actor_id),
        ("target", listed.target, event.target_id),
    ):
        # Whoever changes their own account is one part of the line.
        if party_id is not None and not (field == "target" and party_id == event.actor_id):
            words = party_in_words(party, party_id)
            parts.append(_part(only, "audit", words, (field, str(party_id))))
    return Entry(
        id=str(event.position),
        at=event.at,
        sentence=tell_event(listed, link),
        picture=_BY_PREFIX.get(event.action.partition(".")[0], "info"),
        kind="bad" if event.action == Event.SESSION_REUSE_DETECTED else "",
        parts=(*parts, *_from(only, "audit", event.ip_address)),
        changes=tuple(tell_changes(event.old_values, event.new_values)),
    )


def by_day(entries: Iterable[Entry]) -> Sequence[Day]:
    """Group lines, newest first, by the reader's days, and fold those that repeat."""
    days: list[Day] = []
    for same in repeats(entries, lambda one: (local_date(one.at), one[2:7])):
        entry = same[0]
        if len(same) > 1:
            entry = entry._replace(amount=len(same), since=same[-1].at)
        day = local_date(entry.at)
        if not days or days[-1].date != day:
            days.append(Day(day, []))
        days[-1].entries.append(entry)
    return days


def repeats(lines: Iterable[Told], says: Callable[[Told], Hashable]) -> Iterator[list[Told]]:
    """Group lines that follow each other and say the same; what says None stands alone."""
    group: list[Told] = []
    said: Hashable = None
    for line in lines:
        now = says(line)
        if group and (now is None or now != said):
            yield group
            group = []
        group.append(line)
        said = now
    if group:
        yield group


def raw_attempt(attempt: LoggedAttempt) -> str:
    """Return a line of the login log as JSON."""
    return _raw(attempt._asdict())


def raw_event(listed: ListedEvent) -> str:
    """Return a line of the audit log as JSON."""
    names = ("position", "at", "action", "actor_id", "target_id", "old_values", "new_values")
    return _raw({one: getattr(listed.event, one) for one in (*names, "ip_address")})


def _part(only: Only, log: str, words: Markup | str, *filters: tuple[str, str]) -> Part:
    return Part(words, only(log, filters))


def _from(only: Only, log: str, address: object) -> tuple[Part, ...]:
    return (_part(only, log, name(address), ("address", str(address))),) if address else ()


def _raw(values: dict[str, object]) -> str:
    known = {one: value for one, value in values.items() if value is not None}
    return json.dumps(known, ensure_ascii=False, indent=2, default=str)
