"""What a route requires of its user, declared in its signature: `Annotated[User, require(...)]`."""

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

# Declares the scheme in OpenAPI; the header is read by `bearer_token`, which refuses in our form.
_scheme = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="The access token of /login",
    scheme_name="bearer",
)


@dataclass(frozen=True)
class Requirement:
    """What a route requires of its user, as a dependency of FastAPI; OpenAPI tells its refusals."""

    role: Role = Role.USER
    recent: bool = False
    factor: bool = True

    @property
    def refuses(self) -> tuple[type[Problem], ...]:
        """What this requirement may refuse a request with."""
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

    A parameter asks for it: `caller: Annotated[User, require(recent=True)]`. OpenAPI tells what it
    refuses.

    Args:
        role: the lowest role that is admitted.
        recent: the sign-in must be recent, and with a factor where the user has one (RFC 9470).
            For what a thief of a token would change first.
        factor: a user whose role must have a second factor (`KEYFOB_REQUIRE_MFA_FOR`) must have
            signed in with it. False is for signing out, and for adding the first one.
    """
    return Depends(Requirement(role, recent, factor))


def user_of(call: HotCall) -> User:
    """Return the user of a hot call, as `require()` does for other routes.

    Raises:
        Unauthenticated: there is no access token, or it cannot be believed.
        FactorRequired: the role asks for a second factor, and the sign-in had none.
    """
    authenticator = call.service(Authenticator)  # type: ignore[type-abstract] # wiring's is not
    return unrestricted(authenticator.authenticate(bearer_token(call.header(b"authorization"))))


@refuses(Unauthenticated)
async def _user_if_any(request: Request) -> User | None:
    return authenticated(request) if "authorization" in request.headers else None


# For a route that strangers may call, too. A header that cannot be believed is refused: it would
# make a stranger of its sender.
UserIfAny = Annotated[User | None, Depends(_user_if_any)]


def authenticated(request: Request) -> User:
    """Return the user of a request; its token is checked once, however often this is asked.

    Raises:
        Unauthenticated: there is no access token, or it cannot be believed.
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
    """Return the user.

    Raises:
        FactorRequired: the role asks for a second factor, and this sign-in had none.
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
