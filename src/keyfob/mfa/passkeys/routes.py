"""Adding a passkey to one's own account."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel, Field

from keyfob.accounts.errors import EmailUnverified
from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.bodies import Body
from keyfob.core.http import Provided, may_refuse, router
from keyfob.core.problems import NotFound
from keyfob.devices.requests import RequestSource
from keyfob.limits.requests import limited
from keyfob.mfa.errors import InvalidPasskey, PasskeyTaken, TooManyFactors
from keyfob.mfa.models import FactorName, FactorOut
from keyfob.mfa.passkeys.credentials import CeremonyOut, NewCredentialIn
from keyfob.mfa.passkeys.enrolment import PasskeyEnrolment
from keyfob.mfa.passkeys.relying_party import RelyingParty

routes = router("Factors")
service_routes = router("Service")

# Also for a role that requires a factor, before there is one.
AddingUser = Annotated[User, require(recent=True, factor=False)]
Enrolment = Annotated[PasskeyEnrolment, Provided(PasskeyEnrolment)]
_LIMITED = [Depends(limited("me-factors", by="both"))]


class NewPasskeyIn(Body):
    """The result of `navigator.credentials.create()`, its challenge, and a name for the passkey."""

    challenge_id: UUID
    name: FactorName
    credential: NewCredentialIn


class NewPasskeyOut(FactorOut):
    """The passkey as a factor, with recovery codes if it is the first."""

    recovery_codes: Annotated[
        list[str], Field(description="Shown only once; empty if the account has some already")
    ]


class RelatedOrigins(BaseModel):
    """The origins of other domains whose pages may use passkeys of this domain."""

    origins: list[str]


@service_routes.get("/.well-known/webauthn", responses=may_refuse(NotFound))
async def related_origins(party: Annotated[RelyingParty, Provided(RelyingParty)]) -> RelatedOrigins:
    """Return the related origins, for browsers (WebAuthn Level 3 section 5.11).

    Browsers ask for them at the root of the host that owns the passkeys.
    """
    if not party.related:
        raise NotFound
    return RelatedOrigins(origins=list(party.related))


@routes.post(
    "/me/factors/passkeys/options", dependencies=_LIMITED, responses=may_refuse(EmailUnverified)
)
async def begin_passkey(caller: AddingUser, enrolment: Enrolment) -> CeremonyOut:
    """Return the options for `navigator.credentials.create()`, to add a passkey.

    The challenge is valid for one answer, in the same session and within five minutes. Your e-mail
    address has to be verified before.
    """
    return CeremonyOut.of(await enrolment.begin(caller))


@routes.post(
    "/me/factors/passkeys",
    status_code=201,
    dependencies=_LIMITED,
    responses=may_refuse(EmailUnverified, InvalidPasskey, PasskeyTaken, TooManyFactors),
)
async def add_passkey(
    body: NewPasskeyIn, caller: AddingUser, source: RequestSource, enrolment: Enrolment
) -> NewPasskeyOut:
    """Add the passkey that your browser created.

    With the first factor you get ten recovery codes. Your session has just proven the factor: its
    next refresh says so in `acr` and `amr`.
    """
    factor, codes = await enrolment.finish(
        caller, body.challenge_id, body.name, body.credential.as_json(), source
    )
    return NewPasskeyOut(**FactorOut.of(factor).model_dump(), recovery_codes=codes)
