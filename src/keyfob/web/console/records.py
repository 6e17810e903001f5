"""The login log and the audit log as sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, ClassVar, TypeVar

from fastapi import Depends
from starlette.responses import Response

from keyfob.admin.record_streams import Kind, RecordStreams
from keyfob.audit.events import Event
from keyfob.audit.models import AuditFilter
from keyfob.audit.service import Audit
from keyfob.authority.models import Permission, User
from keyfob.authority.requiring import require
from keyfob.authority.roles import Roles
from keyfob.core.http import Provided
from keyfob.core.http.event_streams import EventStream
from keyfob.core.pagination import Cursors, read_timed_place, timed_place
from keyfob.limits.requests import limited
from keyfob.login_log.models import LoginFilter, Outcome, Reason
from keyfob.login_log.service import LoginLog
from keyfob.web.console.reading import SIZES, day_in, id_in, link_of, place_in, size_of
from keyfob.web.parts.entries import Day, Entry, by_day, entry_of_attempt, entry_of_event
from keyfob.web.parts.sentences import event_title, reason_title
from keyfob.web.same_origin import CrossOriginRequest
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

LoginReader = Annotated[User, require(Permission.LOGINS_READ)]
AuditReader = Annotated[User, require(Permission.AUDIT_READ)]
TheRoles = Annotated[Roles, Provided(Roles)]
TheCursors = Annotated[Cursors, Provided(Cursors)]
Streams = Annotated[RecordStreams, Provided(RecordStreams)]
T = TypeVar("T", bound=StrEnum)
_LIMITED = [Depends(limited("admin", by="caller"))]
_FILTERS = frozenset(
    {"user", "actor", "target", "outcome", "kind", "address", "since", "until", "size"}
)
_LOGINS, _AUDIT = "console logins", "console audit"


@dataclass(frozen=True, kw_only=True)
class RecordPage:
    """A page of a log. `kinds` are the choices of its filter, `kept` what the filters say.

    `following` is the query of the next page, `first` whether this is the newest one.
    """

    template: ClassVar[str] = "console/records.html"

    log: str
    days: Sequence[Day]
    kinds: Sequence[tuple[str, str]]
    outcomes: Sequence[str]
    kept: Mapping[str, str]
    first: bool
    following: str
    size: int
    sizes: Sequence[tuple[int, str]]


@routes.get("/console/logins", dependencies=_LIMITED)
async def show_logins(
    visit: AVisit,
    caller: LoginReader,
    log: Annotated[LoginLog, Provided(LoginLog)],
    roles: TheRoles,
    cursors: TheCursors,
) -> Response:
    """Show attempts to sign in and ends of sessions, newest first."""
    query, size = visit.request.query_params, size_of(visit)
    wanted = LoginFilter(
        id_in(visit, "user"),
        _one_of(Outcome, query.get("outcome", "")),
        _one_of(Reason, query.get("kind", "")),
        _network(query.get("address", "")),
        day_in(visit, "since"),
        day_in(visit, "until", after=1),
    )
    place = place_in(visit, cursors, _LOGINS)
    found = await log.list_events(wanted, before=read_timed_place(place), limit=size + 1)
    link = link_of(visit, roles)
    entries = [entry_of_attempt(one, link) for one in found[:size]]
    last = found[size - 1] if len(found) > size else None
    following = cursors.write(_LOGINS, timed_place(last.at, last.id)) if last else ""
    kinds = [(str(reason), reason_title(reason)) for reason in Reason]
    return await _show(visit, "logins", entries, kinds, following)


@routes.get("/console/audit", dependencies=_LIMITED)
async def show_audit(
    visit: AVisit,
    caller: AuditReader,
    audit: Annotated[Audit, Provided(Audit)],
    roles: TheRoles,
    cursors: TheCursors,
) -> Response:
    """Show administrative and security events, newest first."""
    query, size = visit.request.query_params, size_of(visit)
    kind = query.get("kind", "")
    wanted = AuditFilter(
        kind if kind in set(Event) else None,
        id_in(visit, "actor"),
        id_in(visit, "target"),
        _network(query.get("address", "")),
        day_in(visit, "since"),
        day_in(visit, "until", after=1),
        id_in(visit, "user"),
    )
    place = place_in(visit, cursors, _AUDIT)
    before = int(place[0]) if place else None
    found = await audit.list_events(wanted, before=before, limit=size + 1)
    link = link_of(visit, roles)
    entries = [entry_of_event(one, link) for one in found[:size]]
    last = found[size - 1] if len(found) > size else None
    following = cursors.write(_AUDIT, [str(last.event.position)]) if last else ""
    kinds = [(str(event), event_title(event)) for event in Event]
    return await _show(visit, "audit", entries, kinds, following)


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


async def _show(
    visit: Visit,
    log: str,
    entries: Sequence[Entry],
    kinds: Sequence[tuple[str, str]],
    following: str,
) -> Response:
    query = visit.request.query_params
    kept = {name: value for name, value in query.items() if value and name in _FILTERS}
    page = RecordPage(
        log=log,
        days=by_day(entries),
        kinds=sorted(kinds, key=lambda kind: kind[1].casefold()),
        outcomes=[str(outcome) for outcome in Outcome] if log == "logins" else [],
        kept=kept,
        first="at" not in query,
        following=visit.link(visit.path, **{**kept, "at": following}) if following else "",
        size=size_of(visit),
        sizes=[(size, visit.link(visit.path, **{**kept, "size": str(size)})) for size in SIZES],
    )
    return await visit.show(page)


def _one_of(kind: type[T], text: str) -> T | None:
    return kind(text) if text in {str(one) for one in kind} else None


def _network(text: str) -> str | None:
    try:
        # A scope id is for the machine that knows it, and PostgreSQL has none.
        plain = text.strip() if len(text) < 64 and "%" not in text else ""
        return str(ip_network(plain, strict=False))
    except ValueError:
        return None
