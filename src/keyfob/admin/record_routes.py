"""The login log and the audit log, for administrators."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from pydantic import AfterValidator, IPvAnyNetwork, WithJsonSchema
from starlette.responses import Response

from keyfob.accounts.errors import UserNotFound
from keyfob.admin.models import AuditEventOut
from keyfob.administration.service import Administration
from keyfob.audit.models import AuditFilter
from keyfob.audit.service import Audit
from keyfob.authority.models import Permission, Subject
from keyfob.authority.requiring import require
from keyfob.core.bodies import Moment
from keyfob.core.http import AskedPage, Provided, may_refuse, router
from keyfob.core.http.pages import Page
from keyfob.core.pagination import read_timed_place, timed_place
from keyfob.core.text import NoControlCharacters
from keyfob.limits.requests import limited
from keyfob.login_log.models import LoginEventOut, LoginFilter, Outcome, Reason
from keyfob.login_log.service import LoginLog

routes = router("Administration", prefix="/admin")

_LIMITED = [Depends(limited("admin", by="caller"))]


def _without_scope(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if "%" in str(network):
        raise ValueError("should have no scope id")
    return network


Since = Annotated[Moment | None, Query(description="Not before this moment")]
Until = Annotated[Moment | None, Query(description="Before this moment")]
Network = Annotated[
    IPvAnyNetwork,
    AfterValidator(_without_scope),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^[0-9A-Fa-f:.]+(/[0-9.]+)?$",
            "examples": ["203.0.113.7", "2001:db8::/32"],
        }
    ),
]
From = Annotated[Network | None, Query(description="An address, or a network as CIDR")]
Part = Annotated[
    Annotated[str, NoControlCharacters()] | None,
    Query(max_length=512, description="As it is in the log, such as Firefox 130"),
]
LoginReader = Annotated[Subject, require(Permission.LOGINS_READ, programs=True)]
AuditReader = Annotated[Subject, require(Permission.AUDIT_READ, programs=True)]
LogService = Annotated[LoginLog, Provided(LoginLog)]


async def _login_filter(
    outcome: Outcome | None = None,
    reason: Reason | None = None,
    ip_address: From = None,
    since: Since = None,
    until: Until = None,
    browser: Part = None,
    os: Part = None,
) -> LoginFilter:
    address = str(ip_address) if ip_address else None
    return LoginFilter(None, outcome, reason, address, since, until, browser, os)


Filter = Annotated[LoginFilter, Depends(_login_filter)]


async def _page_of_logins(log: LoginLog, wanted: LoginFilter, page: Page) -> Response:
    kind = f"admin logins {wanted.user_id}"
    before = read_timed_place(page.start(kind))
    events = await log.list_events(wanted, before=before, limit=page.to_read)
    shown = page.cut(kind, events, lambda event: timed_place(event.at, event.id))
    return await page.answer(LoginEventOut, shown, LoginEventOut.values_of)


@routes.get("/logins", dependencies=_LIMITED, response_model=list[LoginEventOut])
async def list_logins(
    _: LoginReader,
    log: LogService,
    wanted: Filter,
    page: AskedPage,
    user_id: UUID | None = None,
) -> Response:
    """List attempts to sign in and ends of sessions, newest first."""
    return await _page_of_logins(log, wanted._replace(user_id=user_id), page)


@routes.get(
    "/users/{id}/logins",
    dependencies=_LIMITED,
    response_model=list[LoginEventOut],
    responses=may_refuse(UserNotFound),
)
async def list_logins_of_user(
    user_id: Annotated[UUID, Path(alias="id")],
    _: LoginReader,
    log: LogService,
    admin: Annotated[Administration, Provided(Administration)],
    wanted: Filter,
    page: AskedPage,
) -> Response:
    """List one user's sign-ins, also refused ones, and ends of sessions, newest first."""
    await admin.accounts.get_profile(user_id)
    return await _page_of_logins(log, wanted._replace(user_id=user_id), page)


async def _audit_filter(
    action: Annotated[Annotated[str, NoControlCharacters()] | None, Query(max_length=64)] = None,
    actor_id: UUID | None = None,
    target_id: UUID | None = None,
    user_id: Annotated[UUID | None, Query(description="The actor or the target")] = None,
    ip_address: From = None,
    since: Since = None,
    until: Until = None,
) -> AuditFilter:
    address = str(ip_address) if ip_address else None
    return AuditFilter(action, actor_id, target_id, address, since, until, user_id)


@routes.get("/audit", dependencies=_LIMITED, response_model=list[AuditEventOut])
async def list_audit(
    _: AuditReader,
    audit: Annotated[Audit, Provided(Audit)],
    wanted: Annotated[AuditFilter, Depends(_audit_filter)],
    page: AskedPage,
) -> Response:
    """List administrative and security events, newest first."""
    after = page.start("audit")
    before = int(after[0]) if after else None
    events = await audit.list_events(wanted, before=before, limit=page.to_read)
    shown = page.cut("audit", events, lambda listed: [str(listed.event.position)])
    return await page.answer(AuditEventOut, shown, AuditEventOut.values_of)
