"""The second step of a sign-in, and re-authentication."""

from typing import Annotated, Any, ClassVar, Self, cast
from uuid import UUID

from fastapi import Depends
from pydantic import ConfigDict, Field, SecretStr, model_validator
from starlette.requests import Request

from keyfob.accounts.models import PasswordIn
from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.bodies import Body
from keyfob.core.http import Provided, may_refuse, router, while_present
from keyfob.core.problems import InsufficientAuthentication, Overloaded
from keyfob.core.text import NoControlCharacters
from keyfob.devices.requests import RequestSource
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.requests import limited
from keyfob.login.errors import AccountBlocked, InvalidCredentials, PasswordChangeRequired
from keyfob.login.reauthentication import Reauthentication
from keyfob.login.second_factor import PresentedFactor, SecondFactor
from keyfob.mfa.errors import InvalidFactor
from keyfob.mfa.models import RecoveryCode, TotpCode
from keyfob.mfa.passkeys.credentials import AssertionIn
from keyfob.sessions.models import TokensOut
from keyfob.sessions.service import SessionTokens

routes = router()

MfaToken = Annotated[
    str, Field(min_length=1, max_length=256, examples=["kfm_…"]), NoControlCharacters()
]


def _say_so(schema: dict[str, Any], model: type["_OneOf"]) -> None:
    for part in schema["properties"].values():
        if "anyOf" in part:
            part.update(part.pop("anyOf")[0])
            part.pop("default", None)
    schema["description"] += f" Exactly one of {', '.join(f'`{way}`' for way in model.ways)}."


class _OneOf(Body):
    """A body that proves identity in exactly one of several `ways`."""

    model_config = ConfigDict(json_schema_extra=_say_so)
    ways: ClassVar[tuple[str, ...]]
    pair: ClassVar[tuple[str, str] | None] = None  # fields that come together or not at all

    @model_validator(mode="after")
    def _refuse_none_many_and_halves(self) -> Self:
        if sum(getattr(self, way) is not None for way in self.ways) != 1:
            raise ValueError(f"should have exactly one of {', '.join(self.ways)}")
        if self.pair and len({getattr(self, one) is None for one in self.pair}) == 2:
            raise ValueError(f"should have {' and '.join(self.pair)}, or neither")
        return self


class FactorShow(_OneOf):
    """The token of a pending login, and one factor."""

    ways = ("code", "recovery_code", "credential")

    mfa_token: MfaToken
    code: TotpCode | None = None
    recovery_code: RecoveryCode | None = None
    credential: AssertionIn | None = None


class PendingLogin(Body):
    """The token of a pending login."""

    mfa_token: MfaToken


class ProofOnceMore(_OneOf):
    """The password, or a factor if the user has one; `challenge_id` belongs to `credential`."""

    ways = ("password", "code", "credential")
    pair = ("credential", "challenge_id")

    password: PasswordIn | None = None
    code: TotpCode | None = None
    credential: AssertionIn | None = None
    challenge_id: UUID | None = None


@routes.post(
    "/login/mfa",
    tags=["Sign-in"],
    dependencies=[Depends(limited("login", by="address"))],
    responses=may_refuse(InvalidFactor, AccountBlocked, PasswordChangeRequired, TooManyAttempts),
)
async def show_factor(
    body: FactorShow,
    source: RequestSource,
    second_factor: Annotated[SecondFactor, Provided(SecondFactor)],
    tokens: Annotated[SessionTokens, Provided(SessionTokens)],
) -> TokensOut:
    """Finish a pending login with a second factor, and return the first tokens of a session.

    The token from `/login` is valid for one session, five minutes and five attempts; each code is
    valid once.
    """
    presented = PresentedFactor(
        body.code, body.recovery_code, body.credential.as_json() if body.credential else None
    )
    return TokensOut.of(
        tokens.write(await second_factor.present(body.mfa_token, presented, source))
    )


@routes.post(
    "/login/mfa/options",
    tags=["Sign-in"],
    dependencies=[Depends(limited("login", by="address"))],
    responses=may_refuse(InvalidFactor),
)
async def ask_for_passkey(
    body: PendingLogin, second_factor: Annotated[SecondFactor, Provided(SecondFactor)]
) -> dict[str, Any]:
    """Return the options for `navigator.credentials.get()`, to present a passkey as second factor.

    The challenge is valid for one answer; each call returns a new one.
    """
    return await second_factor.request_options(body.mfa_token)


@routes.post(
    "/me/reauthenticate",
    tags=["Account"],
    dependencies=[Depends(limited("me-password", by="both"))],
    responses=may_refuse(
        InvalidCredentials, InvalidFactor, InsufficientAuthentication, TooManyAttempts, Overloaded
    ),
)
async def reauthenticate(
    request: Request,
    body: ProofOnceMore,
    caller: Annotated[User, require(factor=False)],
    source: RequestSource,
    service: Annotated[Reauthentication, Provided(Reauthentication)],
    tokens: Annotated[SessionTokens, Provided(SessionTokens)],
) -> TokensOut:
    """Prove your identity once more, and get new tokens of this session; the old ones are invalid.

    If you have a factor, present the factor; the password is refused then.
    """
    if body.code is not None:
        session = await service.with_code(caller, body.code, source)
    elif body.credential is not None and body.challenge_id is not None:
        credential = body.credential.as_json()
        session = await service.with_passkey(caller, body.challenge_id, credential, source)
    else:
        password = cast("SecretStr", body.password)  # one of the three is present
        session = await while_present(request, service.with_password(caller, password, source))
    return TokensOut.of(tokens.write(session))
