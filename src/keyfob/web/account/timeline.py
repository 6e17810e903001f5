"""One's own timeline: sign-ins, ends of sessions and changes to the account, from both logs."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup

from keyfob.audit.events import Event
from keyfob.audit.models import AuditFilter, ListedEvent
from keyfob.audit.service import Audit
from keyfob.authority.models import User
from keyfob.core.locales import _, spoken_locale
from keyfob.devices.places import Places
from keyfob.login_log.models import LoggedAttempt, LoginFilter, Outcome
from keyfob.login_log.service import LoginLog
from keyfob.web.parts import times
from keyfob.web.parts.devices import device_in_words
from keyfob.web.parts.entries import repeats
from keyfob.web.parts.names import name
from keyfob.web.parts.sentences import Change, event_title, reason_title, tell_changes

_ROWS = 50
_AN_INSTANT = timedelta(microseconds=1)  # the finest that the logs tell apart
_PASSWORDS = frozenset({Event.USER_PASSWORD_CHANGED, Event.USER_PASSWORD_RECOVERED})
_KINDS: Mapping[Outcome, tuple[str, str]] = {
    Outcome.SUCCEEDED: ("sign-in", "good"),
    Outcome.REFUSED: ("warning", "bad"),
    Outcome.ENDED: ("sign-out", ""),
}


class Line(NamedTuple):
    """A line of the timeline, or `amount` of them that differ in nothing but the time.

    The latest was at `at`, the first at `since`.
    """

    at: datetime
    title: str
    picture: str
    kind: str
    where: tuple[Markup | str, ...]
    changes: tuple[Change, ...] = ()
    amount: int = 1
    since: datetime | None = None

    @property
    def query(self) -> str:
        """The query by which `find` finds it again."""
        return urlencode({"at": self.at.isoformat(), "since": (self.since or self.at).isoformat()})


@dataclass(frozen=True, kw_only=True)
class OwnTimeline:
    """Reads the timeline of a user, page by page."""

    log: LoginLog
    audit: Audit
    places: Places

    async def read(
        self, caller: User, until: datetime | None
    ) -> tuple[list[tuple[date, list[Line]]], datetime | None]:
        """Return the lines from before a time, by day and newest first, and where the next begin.

        The second is None if there are no more.
        """
        lines = await self._lines(caller, until)
        shown = _cut(lines)
        days = [
            (day, [_folded(same) for same in repeats(of_day, _says)])
            for day, of_day in groupby(shown, key=lambda line: times.local_date(line.at))
        ]
        return days, shown[-1].at if len(shown) < len(lines) else None

    async def find(self, caller: User, since: datetime, at: datetime) -> Line | None:
        """Return the line of a time, with those since then that say the same; None if none is."""
        lines = await self._lines(caller, at + _AN_INSTANT, since)
        if not lines or lines[0].at != at:
            return None
        said = _says(lines[0])
        same = [line for line in lines if said is not None and _says(line) == said]
        return _folded(same or lines[:1])

    async def has_changed_password(self, caller: User, since: datetime) -> bool:
        """Tell whether the password has been changed or recovered since a time."""
        found = await self.audit.list_events(
            AuditFilter(target_id=caller.user_id, since=since + _AN_INSTANT),
            before=None,
            limit=_ROWS,
        )
        return any(
            one.event.action in _PASSWORDS and one.event.actor_id == caller.user_id for one in found
        )

    def place_of(self, address: object) -> Markup | None:
        """Return the place of an address, in the language of the moment; None if it is unknown."""
        place = self.places.find(str(address), spoken_locale()) if address else None
        return name(place) if place else None

    async def _lines(
        self, caller: User, until: datetime | None, since: datetime | None = None
    ) -> list[Line]:
        """Return one line more than a page has, if there are as many, of both logs."""
        user_id = caller.user_id
        attempts = await self.log.list_events(
            LoginFilter(user_id=user_id, since=since, until=until), limit=_ROWS + 1
        )
        changes = await self.audit.list_events(
            AuditFilter(target_id=user_id, since=since, until=until), before=None, limit=_ROWS + 1
        )
        lines = [self._attempt(one) for one in attempts]
        lines += [self._change(one, caller) for one in changes]
        lines.sort(key=lambda line: line.at, reverse=True)
        return lines[: _ROWS + 1]

    def _attempt(self, attempt: LoggedAttempt) -> Line:
        picture, kind = _KINDS[attempt.outcome]
        where = (
            self.place_of(attempt.ip_address),
            device_in_words(attempt.browser, attempt.os),
            name(attempt.ip_address) if attempt.ip_address else None,
        )
        shown = tuple(part for part in where if part)
        return Line(attempt.at, reason_title(attempt.reason), picture, kind, shown)

    def _change(self, listed: ListedEvent, caller: User) -> Line:
        """Return the line of a change. The address is the actor's, and shown only to the actor."""
        event = listed.event
        is_own = event.actor_id == caller.user_id
        address = event.ip_address if is_own else None
        where = (
            None if is_own else _other_actor(listed),
            self.place_of(address),
            name(address) if address else None,
        )
        return Line(
            event.at,
            event_title(event.action, event.old_values, event.new_values),
            "pencil",
            "" if is_own else "accent",
            tuple(part for part in where if part),
            tuple(tell_changes(event.old_values, _without_times(event.new_values))),
        )


def _cut(lines: list[Line]) -> list[Line]:
    """Return the lines of a page; of one time, all or none, for the next page begins before it."""
    if len(lines) <= _ROWS:
        return lines
    newer = [line for line in lines if line.at > lines[-1].at]
    return newer or lines[:_ROWS]


def _says(line: Line) -> Hashable:
    """Return what a refused sign-in says but for the time; all else is shown one by one."""
    return line[1:6] if line.kind == "bad" else None


def _folded(same: Sequence[Line]) -> Line:
    return same[0]._replace(amount=len(same), since=same[-1].at)


def _without_times(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values without times, which other pages show in the zone of the reader."""
    return {name: value for name, value in values.items() if not name.endswith("_at")}


def _other_actor(listed: ListedEvent) -> str:
    if listed.event.actor_id is None:
        return _("by the service")
    is_client = listed.actor is not None and listed.actor.kind == "client"
    return _("by a program") if is_client else _("by an administrator")
