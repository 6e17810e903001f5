"""The login log and the audit log as sentences."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, ClassVar, NamedTuple, TypeVar
from uuid import UUID

from fastapi import Depends
from markupsafe import Markup
from starlette.responses import Response

from keyfob.admin.record_streams import Kind, RecordStreams
from keyfob.audit.events import Event
from keyfob.audit.models import AuditFilter, Party
from keyfob.audit.service import Audit
from keyfob.authority.models import Permission, User
from keyfob.authority.requiring import require
from keyfob.authority.roles import Roles
from keyfob.core.http import Provided
from keyfob.core.http.event_streams import EventStream
from keyfob.core.locales import N_, _, gettext
from keyfob.core.pagination import Cursors, read_timed_place, timed_place
from keyfob.limits.requests import limited
from keyfob.login_log.models import LoginFilter, Outcome, Reason
from keyfob.login_log.service import LoginLog
from keyfob.web.console.reading import (
    SIZES,
    day_in,
    id_in,
    lines_of,
    link_of,
    place_in,
    size_of,
)
from keyfob.web.parts.devices import device_in_words
from keyfob.web.parts.entries import (
    Day,
    Entry,
    by_day,
    entry_of_attempt,
    entry_of_event,
    raw_attempt,
    raw_event,
)
from keyfob.web.parts.sentences import event_title, party_in_words, reason_title
from keyfob.web.same_origin import CrossOriginRequest
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

LoginReader = Annotated[User, require(Permission.LOGINS_READ)]
AuditReader = Annotated[User, require(Permission.AUDIT_READ)]
TheLog = Annotated[LoginLog, Provided(LoginLog)]
TheAudit = Annotated[Audit, Provided(Audit)]
TheRoles = Annotated[Roles, Provided(Roles)]
TheCursors = Annotated[Cursors, Provided(Cursors)]
Streams = Annotated[RecordStreams, Provided(RecordStreams)]
T = TypeVar("T", bound=StrEnum)
_LIMITED = [Depends(limited("admin", by="caller"))]
_LOGINS, _AUDIT = "console logins", "console audit"
_TEXTS, _LONGEST = ("browser", "os"), 512  # as long as they can be in the log
_LONGEST_CHOICE = 64  # of any other: an id, an event, a network, a day
_MOST_RAW = SIZES[-1]  # as many as a page can fold into one line

# The filters that have no field of their own: they are set by a part of a line.
_BY_LINES = ("user", "actor", "target", "browser", "os")
_FILTERS = frozenset({*_BY_LINES, "outcome", "kind", "address", "since", "until", "size"})

_PARTIES = {
    "user": N_("Account: %(name)s"),
    "actor": N_("By: %(name)s"),
    "target": N_("About: %(name)s"),
}


class Chip(NamedTuple):
    """A filter that a line has set, in words, with the link that takes it away."""

    words: Markup
    remove: str


@dataclass(frozen=True, kw_only=True)
class RecordPage:
    """A page of a log. `kinds` are the choices of its filter, `kept` what the filters say.

    `hidden` are the filters without a field, `chips` the same in words. `following` is the query of
    the next page, `first` whether this is the newest one.
    """

    template: ClassVar[str] = "console/records.html"

    log: str
    days: Sequence[Day]
    kinds: Sequence[tuple[str, str]]
    outcomes: Sequence[str]
    kept: Mapping[str, str]
    hidden: Mapping[str, str]
    chips: Sequence[Chip]
    first: bool
    following: str
    size: int
    sizes: Sequence[tuple[int, str]]


@dataclass(frozen=True, kw_only=True)
class RawPage:
    """Lines of a log as JSON, newest first; `back` is the link to where they stand."""

    template: ClassVar[str] = "console/raw.html"

    log: str
    lines: Sequence[str]
    back: str


@routes.get("/console/logins", dependencies=_LIMITED)
async def show_logins(
    visit: AVisit, caller: LoginReader, log: TheLog, roles: TheRoles, cursors: TheCursors
) -> Response:
    """Show attempts to sign in and ends of sessions, newest first."""
    size, kept = size_of(visit), _kept(visit)
    place = read_timed_place(place_in(visit, cursors, _LOGINS))
    found = await log.list_events(_logins_in(visit), before=place, limit=size + 1)
    link, only = link_of(visit, roles), lines_of(visit, kept)
    entries = [entry_of_attempt(one, link, only) for one in found[:size]]
    last = found[size - 1] if len(found) > size else None
    names = {str(one.user_id): one.name or one.email or "" for one in found}
    page = _page(
        visit,
        "logins",
        by_day(entries),
        following=cursors.write(_LOGINS, timed_place(last.at, last.id)) if last else "",
        raw=lambda one: cursors.write(_LOGINS, timed_place(one.at, _after(UUID(one.id)))),
        chips=_chips(visit, kept, names),
    )
    return await visit.show(page)


@routes.get("/console/logins/raw", dependencies=_LIMITED)
async def show_raw_logins(
    visit: AVisit, caller: LoginReader, log: TheLog, cursors: TheCursors
) -> Response:
    """Show lines of the login log as JSON."""
    place = read_timed_place(place_in(visit, cursors, _LOGINS))
    found = await log.list_events(_logins_in(visit), before=place, limit=_amount_in(visit))
    return await visit.show(_raw_page(visit, "logins", [raw_attempt(one) for one in found]))


@routes.get("/console/audit", dependencies=_LIMITED)
async def show_audit(
    visit: AVisit, caller: AuditReader, audit: TheAudit, roles: TheRoles, cursors: TheCursors
) -> Response:
    """Show administrative and security events, newest first."""
    size, kept = size_of(visit), _kept(visit)
    place = place_in(visit, cursors, _AUDIT)
    before = int(place[0]) if place else None
    found = await audit.list_events(_events_in(visit), before=before, limit=size + 1)
    link, only = link_of(visit, roles), lines_of(visit, kept)
    entries = [entry_of_event(one, link, only) for one in found[:size]]
    last = found[size - 1] if len(found) > size else None
    names = {
        str(party_id): party.name or party.email or ""
        for one in found
        for party_id, party in ((one.event.actor_id, one.actor), (one.event.target_id, one.target))
        if party
    }
    page = _page(
        visit,
        "audit",
        by_day(entries),
        following=cursors.write(_AUDIT, [str(last.event.position)]) if last else "",
        raw=lambda one: cursors.write(_AUDIT, [str(int(one.id) + 1)]),
        chips=_chips(visit, kept, names),
    )
    return await visit.show(page)


@routes.get("/console/audit/raw", dependencies=_LIMITED)
async def show_raw_audit(
    visit: AVisit, caller: AuditReader, audit: TheAudit, cursors: TheCursors
) -> Response:
    """Show lines of the audit log as JSON."""
    place = place_in(visit, cursors, _AUDIT)
    before = int(place[0]) if place else None
    found = await audit.list_events(_events_in(visit), before=before, limit=_amount_in(visit))
    return await visit.show(_raw_page(visit, "audit", [raw_event(one) for one in found]))


@routes.get("/console/logins/live", dependencies=_LIMITED)
async def follow_logins(visit: AVisit, caller: LoginReader, streams: Streams) -> Response:
    """Tell of new lines of the login log, as they come."""
    return await _follow(visit, caller, streams, Kind.LOGINS)


@routes.get("/console/audit/live", dependencies=_LIMITED)
async def follow_audit(visit: AVisit, caller: AuditReader, streams: Streams) -> Response:
    """Tell of new lines of the audit log, as they come."""
    return await _follow(visit, caller, streams, Kind.AUDIT)


async def _follow(visit: Visit, caller: User, streams: RecordStreams, kind: Kind) -> Response:
    if visit.request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        raise CrossOriginRequest  # Threat: a page of another site takes all streams of its visitor
    last = visit.request.headers.get("last-event-id")
    return EventStream(await streams.open(caller.user_id, last, (kind,), visit.may_still))


def _logins_in(visit: Visit) -> LoginFilter:
    query = visit.request.query_params
    return LoginFilter(
        user_id=id_in(visit, "user"),
        outcome=_one_of(Outcome, query.get("outcome", "")),
        reason=_one_of(Reason, query.get("kind", "")),
        address=_network(query.get("address", "")),
        since=day_in(visit, "since"),
        until=day_in(visit, "until", after=1),
        browser=_plain(query.get("browser", "")),
        os=_plain(query.get("os", "")),
    )


def _events_in(visit: Visit) -> AuditFilter:
    query = visit.request.query_params
    kind = query.get("kind", "")
    return AuditFilter(
        action=kind if kind in set(Event) else None,
        actor_id=id_in(visit, "actor"),
        target_id=id_in(visit, "target"),
        address=_network(query.get("address", "")),
        since=day_in(visit, "since"),
        until=day_in(visit, "until", after=1),
        user_id=id_in(visit, "user"),
    )


def _kept(visit: Visit) -> dict[str, str]:
    """Return the filters of the address. Threat: each line repeats them, so one has a length."""
    return {
        name: value
        for name, value in visit.request.query_params.items()
        if name in _FILTERS and 0 < len(value) <= (_LONGEST if name in _TEXTS else _LONGEST_CHOICE)
    }


def _page(
    visit: Visit,
    log: str,
    days: Sequence[Day],
    *,
    following: str,
    raw: Callable[[Entry], str],
    chips: Sequence[Chip],
) -> RecordPage:
    """Return the page; `raw` tells the place before which a line is the first."""
    kept, path = _kept(visit), visit.path
    if log == "logins":
        kinds = [(str(reason), reason_title(reason)) for reason in Reason]
    else:
        kinds = [(str(event), event_title(event)) for event in Event]
    beginning = visit.link(f"{path}/raw", **{**kept, "at": "-"})[:-1]

    def with_raw(one: Entry) -> Entry:
        amount = f"&amount={one.amount}" if one.amount > 1 else ""
        return one._replace(raw=f"{beginning}{raw(one)}{amount}")

    return RecordPage(
        log=log,
        days=[day._replace(entries=[with_raw(one) for one in day.entries]) for day in days],
        kinds=sorted(kinds, key=lambda kind: kind[1].casefold()),
        outcomes=[str(outcome) for outcome in Outcome] if log == "logins" else [],
        kept=kept,
        hidden={name: kept[name] for name in (*_BY_LINES, "size") if name in kept},
        chips=chips,
        first="at" not in visit.request.query_params,
        following=visit.link(path, **{**kept, "at": following}) if following else "",
        size=size_of(visit),
        sizes=[(size, visit.link(path, **{**kept, "size": str(size)})) for size in SIZES],
    )


def _chips(visit: Visit, kept: Mapping[str, str], names: Mapping[str, str]) -> Sequence[Chip]:
    """Return the filters that lines have set; `names` are those of parties on the page, by id."""

    def chip(words: str, who: Markup, *fields: str) -> Chip:
        left = {name: value for name, value in kept.items() if name not in fields}
        said = Markup(words) % {"name": who}  # noqa: S704 - of our catalogues
        return Chip(said, visit.link(visit.path, **left))

    found = []
    for field, words in _PARTIES.items():
        party_id = id_in(visit, field)
        if party_id is not None:
            who = names.get(str(party_id))
            party = Party("user", None, who) if who else None
            found.append(chip(gettext(words), party_in_words(party, party_id), field))
    device = device_in_words(_plain(kept.get("browser", "")), _plain(kept.get("os", "")))
    return [*found, chip(_("Device: %(name)s"), device, "browser", "os")] if device else found


def _raw_page(visit: Visit, log: str, lines: Sequence[str]) -> RawPage:
    return RawPage(log=log, lines=lines, back=visit.link(f"/console/{log}", **_kept(visit)))


def _amount_in(visit: Visit) -> int:
    asked = visit.request.query_params.get("amount", "")
    is_number = asked.isascii() and asked.isdigit() and len(asked) <= len(str(_MOST_RAW))
    return min(int(asked), _MOST_RAW) if is_number and int(asked) else 1


def _after(row_id: UUID) -> UUID:
    """Return the id after this one, of which no line is before."""
    return UUID(int=min(row_id.int + 1, 2**128 - 1))


def _plain(text: str) -> str | None:
    """Return a text that a line can contain; None if it is none."""
    return text if 0 < len(text) <= _LONGEST and "\0" not in text else None


def _one_of(kind: type[T], text: str) -> T | None:
    return kind(text) if text in {str(one) for one in kind} else None


def _network(text: str) -> str | None:
    try:
        # A scope id is for the machine that knows it, and PostgreSQL has none.
        plain = text.strip() if len(text) < 64 and "%" not in text else ""
        return str(ip_network(plain, strict=False))
    except ValueError:
        return None
