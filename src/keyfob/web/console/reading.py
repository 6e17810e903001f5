"""Parts that views of the console share: links to parties, and the filters of a query."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from uuid import UUID

from starlette.responses import Response

from keyfob.authority.models import Permission
from keyfob.authority.roles import Roles
from keyfob.core.pagination import Cursors
from keyfob.core.problems import Forbidden, InvalidCursor
from keyfob.web.cookies import ROWS
from keyfob.web.parts.times import start_of
from keyfob.web.visits import Visit

SIZES = (25, 50, 100)

# The views in the order of the side bar, each with the permission that it needs.
VIEWS = {
    "/console/overview": Permission.LOGINS_READ,
    "/console/users": Permission.USERS_READ,
    "/console/logins": Permission.LOGINS_READ,
    "/console/audit": Permission.AUDIT_READ,
    "/console/clients": Permission.CLIENTS_READ,
    "/console/roles": Permission.ROLES_READ,
    "/console/service": Permission.SERVICE_READ,
}


def link_of(visit: Visit, roles: Roles) -> Callable[[str, UUID], str | None]:
    """Return a function that links a party to its page, if the reader may open that."""
    can = roles.permissions_of(visit.user) if visit.user else frozenset()
    pages = {
        "user": ("users", Permission.USERS_READ),
        "client": ("clients", Permission.CLIENTS_READ),
        "resource": ("resources", Permission.CLIENTS_READ),
    }

    def link(kind: str, party_id: UUID) -> str | None:
        folder, permission = pages.get(kind, ("", Permission.ACCOUNT_READ))
        may = folder and permission in can
        return visit.link(f"/console/{folder}/{party_id}") if may else None

    return link


def lines_of(visit: Visit, kept: Mapping[str, str]) -> Callable[..., str]:
    """Return a function that links to the lines of a log that fit filters, besides those `kept`.

    Its link is empty where `kept` says as much already.
    """
    known: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}

    def only(log: str, filters: tuple[tuple[str, str], ...]) -> str:
        asked = (log, filters)  # a page has the same dozens of times
        if asked not in known:
            is_kept = all(kept.get(field) == value for field, value in filters)
            query = {**kept, **dict(filters)}
            known[asked] = "" if is_kept else visit.link(f"/console/{log}", **query)
        return known[asked]

    return only


def first_view(visit: Visit, roles: Roles) -> Response:
    """Go to the first view that the reader may see.

    Raises:
        Forbidden: there is none.
    """
    can = roles.permissions_of(visit.user) if visit.user else frozenset()
    for path, permission in VIEWS.items():
        if permission in can:
            return visit.go(path)
    raise Forbidden


def size_of(visit: Visit) -> int:
    """Return the number of lines of a page that the query asks for, or that it asked for last."""
    asked = visit.request.query_params.get("size", "")
    return int(visit.remembered(ROWS, asked, [str(size) for size in SIZES]) or SIZES[0])


def place_in(visit: Visit, cursors: Cursors, kind: str) -> list[str] | None:
    """Return the place after which the page begins; None for the first page."""
    try:
        at = visit.request.query_params.get("at")
        return list(cursors.read(kind, at)) if at else None
    except InvalidCursor:
        return None


def id_in(visit: Visit, name: str) -> UUID | None:
    """Return an id of the query; None if there is none."""
    try:
        return UUID(visit.request.query_params.get(name, ""))
    except ValueError:
        return None


def day_in(visit: Visit, name: str, *, after: int = 0) -> datetime | None:
    """Return the beginning of a day of the query (of the reader), or `after` days later."""
    try:
        day = date.fromisoformat(visit.request.query_params.get(name, ""))
        return start_of(date.fromordinal(day.toordinal() + after))
    except (ValueError, OverflowError):
        return None
