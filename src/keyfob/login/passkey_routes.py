"""Signing in with a passkey alone."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from keyfob.core.bodies import Body
from keyfob.core.http import Provided, may_refuse, router
from keyfob.devices.requests import RequestSource
from keyfob.limits.requests import limited
from keyfob.login.errors import AccountBlocked, PasswordChangeRequired
from keyfob.login.passkey import PasskeyLogin
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.passkeys.credentials import AssertionIn, CeremonyOut
from keyfob.sessions.models import TokensOut
from keyfob.sessions.service import SessionTokens

routes = router("Sign-in")

Service = Annotated[PasskeyLogin, Provided(PasskeyLogin)]
_LIMITED = [Depends(limited("passkey", by="address"))]


class PasskeyProof(Body):
    """The result of `navigator.credentials.get()`, and the id of its challenge."""

    challenge_id: UUID
    credential: AssertionIn


@routes.post("/login/passkey/options", dependencies=_LIMITED)
async def begin_passkey_login(service: Service) -> CeremonyOut:
    """Return the options for `navigator.credentials.get()`, to sign in without a password.

    The challenge is valid for one answer, for five minutes.
    """
    return CeremonyOut.of(await service.options())


@routes.post(
    "/login/passkey/verify",
    dependencies=_LIMITED,
    responses=may_refuse(InvalidFactor, AccountBlocked, PasswordChangeRequired),
)
async def finish_passkey_login(
    body: PasskeyProof,
    source: RequestSource,
    service: Service,
    tokens: Annotated[SessionTokens, Provided(SessionTokens)],
) -> TokensOut:
    """Exchange a passkey's answer for the first tokens of a session."""
    session = await service.sign_in(body.challenge_id, body.credential.as_json(), source)
    return TokensOut.of(tokens.write(session))
