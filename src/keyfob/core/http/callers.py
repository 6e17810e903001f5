"""Declared authority: a route asks for a caller, or for an administrator, in its signature."""

from typing import Annotated

import structlog
from fastapi import Depends, Security
from fastapi.security import HTTPBearer
from starlette.requests import Request

from keyfob.core.authority import Authenticator, Caller, Role, StepUp
from keyfob.core.problems import FactorRequired, Forbidden, Unauthenticated

log = structlog.get_logger("keyfob.http")

# Declares the scheme in OpenAPI; the header is read by `bearer_token`, which refuses in our form.
_scheme = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="The access token of /login",
    scheme_name="bearer",
)


def bearer_token(header: str | None) -> str:
    """Read the token of an Authorization header (RFC 6750 section 2.1).

    Raises:
        Unauthenticated: the header is absent, or of another scheme.
    """
    if header is None:
        raise Unauthenticated(presented=False)
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return token.strip()


def authenticated(request: Request) -> Caller:
    """Return the caller of a request; the token is looked at once, whoever asks how often.

    Raises:
        Unauthenticated: there is no access token, or it is not to be believed.
    """
    outcome: Caller | Unauthenticated | None = getattr(request.state, "caller", None)
    if outcome is None:
        authenticator: Authenticator = request.app.state.services[Authenticator]
        try:
            token = bearer_token(request.headers.get("authorization"))
            outcome = authenticator.authenticate(token)
        except Unauthenticated as refusal:
            outcome = refusal
        request.state.caller = outcome
    if isinstance(outcome, Unauthenticated):
        raise outcome
    return outcome


def unrestricted(caller: Caller) -> Caller:
    """Return the caller.

    Raises:
        FactorRequired: the role asks for a second factor, and this sign-in had none.
    """
    if caller.is_restricted:
        raise FactorRequired
    return caller


async def _any_caller(request: Request, _: Annotated[object, Security(_scheme)]) -> Caller:
    return authenticated(request)


# Of a role that asks for a factor, too, before there is one: for signing out and adding one.
AnyCaller = Annotated[Caller, Depends(_any_caller)]


async def _caller_if_any(request: Request) -> Caller | None:
    return authenticated(request) if "authorization" in request.headers else None


# Of a route that strangers may call, too. A header that cannot be believed is refused: it would
# make a stranger of its sender.
CallerIfAny = Annotated[Caller | None, Depends(_caller_if_any)]


async def current_caller(caller: AnyCaller) -> Caller:
    """Return the caller, unless the role asks for a second factor that the sign-in lacked."""
    return unrestricted(caller)


CurrentCaller = Annotated[Caller, Depends(current_caller)]


async def _recent_caller(request: Request, caller: CurrentCaller) -> Caller:
    step_up: StepUp = request.app.state.services[StepUp]
    await step_up.ensure_recent(caller)
    return caller


# Whose sign-in is recent, and with a factor where one is set: for what a thief would change first.
RecentCaller = Annotated[Caller, Depends(_recent_caller)]


async def _recent_any_caller(request: Request, caller: AnyCaller) -> Caller:
    step_up: StepUp = request.app.state.services[StepUp]
    await step_up.ensure_recent(caller)
    return caller


# The same of a role that asks for a factor, before there is one: for adding it.
RecentAnyCaller = Annotated[Caller, Depends(_recent_any_caller)]


async def _admin_caller(caller: CurrentCaller) -> Caller:
    if not caller.role.includes(Role.ADMIN):
        log.info("forbidden", user_id=str(caller.user_id), session_id=str(caller.session_id))
        raise Forbidden
    return caller


AdminCaller = Annotated[Caller, Depends(_admin_caller)]


async def _recent_admin_caller(caller: AdminCaller, _: RecentCaller) -> Caller:
    return caller


# For what an administrator may do to anybody, and so to himself: past `RecentCaller` elsewhere.
RecentAdminCaller = Annotated[Caller, Depends(_recent_admin_caller)]
