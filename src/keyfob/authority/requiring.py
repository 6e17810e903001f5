"""Requirements of routes for their subjects, declared in the signature.

A requirement is the type of a parameter: `caller: Annotated[User, require(...)]`.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, Security
from fastapi.security import HTTPBearer
from starlette.requests import Request

from keyfob.authority.errors import NotProven, ProofNonceNeeded
from keyfob.authority.models import (
    KEY_PREFIX,
    ApiKey,
    App,
    Authenticator,
    Client,
    KeyAuthenticator,
    Permission,
    ProofChecker,
    StepUp,
    Subject,
    User,
    id_of,
    signed_in,
)
from keyfob.authority.roles import Roles
from keyfob.core.http.hot import HotCall
from keyfob.core.http.problems import refuses
from keyfob.core.problems import (
    FactorRequired,
    Forbidden,
    InsufficientAuthentication,
    Problem,
    Unauthenticated,
)
from keyfob.core.rooms import Services

log = structlog.get_logger("keyfob.http")

# Declares the scheme in OpenAPI; the header is read by `bearer_token`, whose refusals are ours.
bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="The access token of /login",
    scheme_name="bearer",
)


# Users, and whatever acts for one or for itself.
WITH_PROGRAMS: tuple[type[Subject], ...] = (User, Client, ApiKey, App)


@dataclass(frozen=True)
class Requirement:
    """A route's requirements for its subject, as a FastAPI dependency; OpenAPI lists the refusals.

    The fields are the parameters of `require`.
    """

    permission: Permission = Permission.ACCOUNT_READ
    recent: bool = False
    factor: bool = True
    admits: tuple[type[Subject], ...] = (User,)

    @property
    def _concerns_others(self) -> bool:
        return self.permission is not Permission.ACCOUNT_READ

    @property
    def refuses(self) -> tuple[type[Problem], ...]:
        """The refusals that this requirement can raise."""
        asked = {
            Unauthenticated: True,
            NotProven: App in self.admits,  # people have no tokens that are bound to a key
            ProofNonceNeeded: App in self.admits,
            InsufficientAuthentication: self.recent or self._concerns_others,
            Forbidden: True,  # at least for programs, or if a scope is missing
            FactorRequired: self.factor,
        }
        return tuple(problem for problem, is_asked in asked.items() if is_asked)

    async def __call__(self, request: Request, _: Annotated[object, Security(bearer)]) -> Subject:
        """Return the subject of a request, or raise one of `refuses`."""
        subject = await authenticated(request)
        person = signed_in(subject)
        if person is not None and self.factor:
            unrestricted(person)
        roles: Roles = request.app.state.services[Roles]
        if not isinstance(subject, self.admits) or not roles.allows(subject, self.permission):
            log.info("forbidden", subject=str(id_of(subject)), permission=self.permission)
            raise Forbidden
        if person is not None:
            await self._ensure_sign_in(request.app.state.services[StepUp], person)
        return subject

    async def _ensure_sign_in(self, step_up: StepUp, user: User) -> None:
        """Check how the user signed in.

        Threat: somebody who signed in with a stolen password of an administrator, before a factor
        was added, would still read about everybody. (`Authority.ensure` asks again before changes.)
        """
        if self.recent:
            await step_up.ensure_recent(user)
        elif self._concerns_others:
            await step_up.ensure_factor(user)


def require(
    permission: Permission = Permission.ACCOUNT_READ,
    *,
    recent: bool = False,
    factor: bool = True,
    programs: bool = False,
) -> Any:
    """Return the dependency that gives a route its subject.

    A parameter declares it: `caller: Annotated[User, require(recent=True)]`. OpenAPI lists its
    refusals.

    Args:
        permission: the permission that the subject needs, by its roles or, for a program, by its
            scope. For any that concerns others, a user who has a factor must have signed in with
            one.
        recent: the sign-in must be recent, and with a factor if the user has one (RFC 9470). For
            whatever the thief of a token would change first. No program passes.
        factor: a user whose role requires a second factor (`KEYFOB_REQUIRE_MFA_FOR`) must have
            signed in with one. False is for signing out, and for adding the first factor.
        programs: whether service accounts, API keys and apps are admitted, too; the parameter is
            then a `Subject`. By default only users are.
    """
    if recent and programs:
        raise TypeError("no program signs in, so none does so recently")
    admits = WITH_PROGRAMS if programs else (User,)
    return Depends(Requirement(permission, recent, factor, admits))


# Declares in OpenAPI whom `reader_of` admits.
of_own_account = Depends(Requirement(admits=(User, ApiKey, App)))


def user_of(call: HotCall) -> User:
    """Return the user of a hot call, as `require()` does for other routes.

    Raises:
        Unauthenticated: there is no access token, or it is not valid.
        FactorRequired: the role requires a second factor, and the sign-in had none.
    """
    authenticator = call.service(Authenticator)  # type: ignore[type-abstract] # wiring's is not
    subject = authenticator.authenticate(bearer_token(call.header(b"authorization")))
    if not isinstance(subject, User):
        raise Forbidden
    return unrestricted(subject)


async def reader_of(call: HotCall, path: str) -> User | ApiKey | App:
    """Return the subject of a hot call at a path that reads an account: its user, a key or an app.

    Raises:
        Unauthenticated, FactorRequired: see `user_of`.
        NotProven, ProofNonceNeeded: see `ProofChecker`.
        Forbidden: the scope of the key or the app does not permit it.
    """
    header = call.header(b"authorization")
    if bound := _token_of(header, "dpop"):
        subject: Subject = await _proven_in(call, path, bound)
    elif (token := bearer_token(header)).startswith(KEY_PREFIX):
        keys = call.service(KeyAuthenticator)  # type: ignore[type-abstract] # wiring's is not
        subject = await keys.authenticate(token)
    else:
        authenticator = call.service(Authenticator)  # type: ignore[type-abstract] # wiring's is not
        subject = authenticator.authenticate(token)
    if isinstance(subject, Client):
        raise Forbidden
    if (person := signed_in(subject)) is not None:
        unrestricted(person)
    if not isinstance(subject, User) and Permission.ACCOUNT_READ not in subject.scope:
        raise Forbidden
    return subject


async def _proven_in(call: HotCall, path: str, token: str) -> Subject:
    """Return the subject of a bound token in a hot call, as `_proven` does for other routes."""
    checker = call.service(ProofChecker)  # type: ignore[type-abstract] # wiring's is not
    authenticator = call.service(Authenticator)  # type: ignore[type-abstract] # likewise
    proof = checker.of_token(call.headers(b"dpop"), call.method, path, token)
    subject = authenticator.authenticate(token, proof.jkt)
    await checker.spend_with_token(proof)
    return subject


@refuses(Unauthenticated, Forbidden)
async def _user_if_any(request: Request) -> User | None:
    if "authorization" not in request.headers:
        return None
    subject = await authenticated(request)
    if not isinstance(subject, User):
        raise Forbidden
    return subject


# For routes that are open to strangers, too. A header with an invalid token is refused, and does
# not turn its sender into a stranger.
UserIfAny = Annotated[User | None, Depends(_user_if_any)]


async def authenticated(request: Request) -> Subject:
    """Return the subject of a request; its token is verified once, however often this is called.

    Raises:
        Unauthenticated: there is no access token or API key, or it is not valid.
    """
    outcome: Subject | Unauthenticated | None = getattr(request.state, "subject", None)
    if outcome is None:
        try:
            outcome = await _believed(request)
        except Unauthenticated as refusal:
            outcome = refusal
        request.state.subject = outcome
    if isinstance(outcome, Unauthenticated):
        raise outcome
    return outcome


async def _believed(request: Request) -> Subject:
    services, header = request.app.state.services, request.headers.get("authorization")
    authenticator: Authenticator = services[Authenticator]
    if bound := _token_of(header, "dpop"):
        return await _proven(request, authenticator, bound)
    token = bearer_token(header)
    if token.startswith(KEY_PREFIX):
        keys: KeyAuthenticator = services[KeyAuthenticator]
        return await keys.authenticate(token)
    return authenticator.authenticate(token)


async def _proven(request: Request, authenticator: Authenticator, token: str) -> Subject:
    """Return the subject of a bound token, whose key the request proves to hold (RFC 9449)."""
    checker: ProofChecker = request.app.state.services[ProofChecker]
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    proof = checker.of_token(request.headers.getlist("dpop"), request.method, path, token)
    subject = authenticator.authenticate(token, proof.jkt)
    await checker.spend_with_token(proof)
    request.state.jkt = proof.jkt
    return subject


async def may_still(request: Request, permission: Permission) -> bool:
    """Tell whether the subject of a long answer still has a permission, without any activity.

    Its token may have expired or been revoked meanwhile, or its role may permit less.
    """
    services, header = request.app.state.services, request.headers.get("authorization")
    bound = _token_of(header, "dpop")
    token = bound or bearer_token(header)
    try:
        if token.startswith(KEY_PREFIX):
            subject: Subject = await services[KeyAuthenticator].authenticate(token)
        else:
            jkt = request.state.jkt if bound else None
            subject = services[Authenticator].recognise(token, jkt)
    except Problem:
        return False
    return await holds(services, subject, permission)


async def holds(services: Services, subject: Subject, permission: Permission) -> bool:
    """Tell whether `Requirement` would let a subject use a permission that concerns others."""
    roles: Roles = services[Roles]
    if not roles.allows(subject, permission):
        return False
    if (person := signed_in(subject)) is not None:
        step_up: StepUp = services[StepUp]  # type: ignore[type-abstract] # wiring's is not
        try:
            unrestricted(person)
            await step_up.ensure_factor(person)
        except Problem:
            return False
    return True


def unrestricted(user: User) -> User:
    """Return the user, if no second factor is missing.

    Raises:
        FactorRequired: the role requires a second factor, and this sign-in had none.
    """
    if user.is_restricted:
        raise FactorRequired
    return user


def bearer_token(header: str | None) -> str:
    """Return the token of an Authorization header (RFC 6750 section 2.1).

    Raises:
        Unauthenticated: the header is absent, or of another scheme.
    """
    if header is None:
        raise Unauthenticated(presented=False)
    token = _token_of(header, "bearer")
    if not token:
        raise Unauthenticated
    return token


def _token_of(header: str | None, scheme: str) -> str | None:
    """Return the credentials of an Authorization header of a scheme; None if it is of another."""
    named, _, token = (header or "").partition(" ")
    return token.strip() if named.lower() == scheme else None
