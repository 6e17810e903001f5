"""Requirements of routes, declared in the signature: `Annotated[User, require(...)]`."""

from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, Security
from fastapi.security import HTTPBearer
from starlette.requests import Request

from keyfob.authority.models import Authenticator, Role, StepUp, User
from keyfob.core.http.hot import HotCall
from keyfob.core.http.problems import refuses
from keyfob.core.problems import (
    FactorRequired,
    Forbidden,
    InsufficientAuthentication,
    Problem,
    Unauthenticated,
)

log = structlog.get_logger("keyfob.http")

# Declares the scheme in OpenAPI; the header is read by `bearer_token`, whose refusals are ours.
_scheme = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="The access token of /login",
    scheme_name="bearer",
)


@dataclass(frozen=True)
class Requirement:
    """A route's requirements of its user, as a FastAPI dependency; OpenAPI lists the refusals."""

    role: Role = Role.USER
    recent: bool = False
    factor: bool = True

    @property
    def refuses(self) -> tuple[type[Problem], ...]:
        """The refusals that this requirement can raise."""
        asked = {
            Unauthenticated: True,
            InsufficientAuthentication: self.recent,
            Forbidden: self.role is not Role.USER,
            FactorRequired: self.factor,
        }
        return tuple(problem for problem, is_asked in asked.items() if is_asked)

    async def __call__(self, request: Request, _: Annotated[object, Security(_scheme)]) -> User:
        """Return the user of a request, or refuse it with one of `refuses`."""
        user = authenticated(request)
        if self.factor:
            unrestricted(user)
        if not user.role.includes(self.role):
            log.info("forbidden", user_id=str(user.user_id), session_id=str(user.session_id))
            raise Forbidden
        if self.recent:
            step_up: StepUp = request.app.state.services[StepUp]
            await step_up.ensure_recent(user)
        return user


def require(*, role: Role = Role.USER, recent: bool = False, factor: bool = True) -> Any:
    """Return the dependency that gives a route its user.

    A parameter declares it: `caller: Annotated[User, require(recent=True)]`. OpenAPI lists its
    refusals.

    Args:
        role: the lowest role that is admitted.
        recent: the sign-in must be recent, and with a factor if the user has one (RFC 9470). For
            whatever the thief of a token would change first.
        factor: a user whose role requires a second factor (`KEYFOB_REQUIRE_MFA_FOR`) must have
            signed in with one. False is for signing out, and for adding the first factor.
    """
    return Depends(Requirement(role, recent, factor))


def user_of(call: HotCall) -> User:
    """Return the user of a hot call, as `require()` does for other routes.

    Raises:
        Unauthenticated: there is no access token, or it is not valid.
        FactorRequired: the role requires a second factor, and the sign-in had none.
    """
    authenticator = call.service(Authenticator)  # type: ignore[type-abstract] # wiring's is not
    return unrestricted(authenticator.authenticate(bearer_token(call.header(b"authorization"))))


@refuses(Unauthenticated)
async def _user_if_any(request: Request) -> User | None:
    return authenticated(request) if "authorization" in request.headers else None


# For routes that are open to strangers, too. A header with an invalid token is refused, and does
# not turn its sender into a stranger.
UserIfAny = Annotated[User | None, Depends(_user_if_any)]


def authenticated(request: Request) -> User:
    """Return the user of a request; the token is verified once, however often this is called.

    Raises:
        Unauthenticated: there is no access token, or it is not valid.
    """
    outcome: User | Unauthenticated | None = getattr(request.state, "user", None)
    if outcome is None:
        authenticator: Authenticator = request.app.state.services[Authenticator]
        try:
            token = bearer_token(request.headers.get("authorization"))
            outcome = authenticator.authenticate(token)
        except Unauthenticated as refusal:
            outcome = refusal
        request.state.user = outcome
    if isinstance(outcome, Unauthenticated):
        raise outcome
    return outcome


def unrestricted(user: User) -> User:
    """Return the user, if no second factor is missing.

    Raises:
        FactorRequired: the role requires a second factor, and this sign-in had none.
    """
    if user.is_restricted:
        raise FactorRequired
    return user


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
