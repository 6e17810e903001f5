"""Signing up, and verifying an address."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel, Field, field_validator
from starlette.requests import Request
from starlette.responses import Response

from keyfob.accounts.email import EmailIn
from keyfob.accounts.errors import EmailTaken
from keyfob.accounts.models import Name, PasswordIn
from keyfob.authority.requiring import UserIfAny
from keyfob.core.bodies import Body, drop_null
from keyfob.core.http import Provided, may_refuse, router, while_present
from keyfob.core.problems import InvalidInput, Overloaded
from keyfob.devices.requests import RequestSource
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.requests import limited
from keyfob.login.errors import (
    AccountBlocked,
    InvalidCredentials,
    MfaRequired,
    PasswordChangeRequired,
)
from keyfob.one_time_tokens.errors import InvalidLink
from keyfob.one_time_tokens.models import LinkTokenIn
from keyfob.passwords.errors import WeakPassword
from keyfob.registration.service import Registration
from keyfob.registration.sign_in import VerifyingSignIn
from keyfob.registration.verification import EmailVerification, VerificationLinks
from keyfob.sessions.models import TokensOut
from keyfob.sessions.service import SessionTokens

routes = router()

_LIMITED = [Depends(limited("verify-email", by="address"))]


class RegisterIn(Body):
    """The choices of a new user. Anything else, such as a role, is refused."""

    email: EmailIn
    password: PasswordIn
    name: Name | None = None


class VerifyEmailRequestIn(Body):
    """An address to verify."""

    email: EmailIn


class VerifyEmailConfirmIn(Body):
    """The token of the link, and a password of its reader."""

    token: LinkTokenIn
    password: PasswordIn | None = Field(
        default=None,
        description="The account's, or that of any waiting sign-up with its address",
        json_schema_extra=drop_null,
    )

    @field_validator("password", mode="before")
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        """Refuse null. Threat: a client with an empty field would end what its user has."""
        if value is None:
            raise ValueError("should not be null; leave it out to prove the address without it")
        return value


class ProvenOut(BaseModel):
    """The tokens of a session, after a password; else a token for `/recover/confirm`."""

    access_token: Annotated[str | None, Field(description="After a password")] = None
    refresh_token: Annotated[str | None, Field(description="After a password")] = None
    token_type: Annotated[str | None, Field(description="After a password: bearer")] = None
    expires_in: Annotated[int | None, Field(description="After a password: seconds")] = None
    session_id: Annotated[UUID | None, Field(description="After a password")] = None
    token: Annotated[
        str | None, Field(description="After a token alone: send it to /recover/confirm")
    ] = None


@routes.post(
    "/register",
    tags=["Sign-in"],
    status_code=201,
    response_model=TokensOut,
    dependencies=[Depends(limited("register", by="address"))],
    responses={
        **may_refuse(EmailTaken, WeakPassword, InvalidInput, Overloaded),
        202: {
            "description": "Where addresses are to be proven first: look at your mail. The same for"
            " an address that has an account."
        },
    },
)
async def register(
    request: Request,
    response: Response,
    body: RegisterIn,
    source: RequestSource,
    registration: Annotated[Registration, Provided(Registration)],
    tokens: Annotated[SessionTokens, Provided(SessionTokens)],
) -> TokensOut | Response:
    """Create an account and sign it in.

    The password needs 8 to 1,024 characters and must not be common, breached or similar to the
    e-mail; there are no composition rules. `Accept-Language` determines the language of mails.
    """
    attempt = registration.with_password(body.email, body.password, body.name, source)
    session = await while_present(request, attempt)
    if session is None:
        return Response(status_code=202, headers=dict(response.headers))
    return TokensOut.of(tokens.write(session))


@routes.post(
    "/verify-email/request",
    tags=["Account"],
    status_code=202,
    response_class=Response,
    dependencies=_LIMITED,
)
async def request_verification(
    body: VerifyEmailRequestIn,
    source: RequestSource,
    links: Annotated[VerificationLinks, Provided(VerificationLinks)],
) -> None:
    """Send a link for verifying an address. The answer is the same for any address."""
    await links.request(body.email, source)


@routes.post(
    "/verify-email/confirm",
    tags=["Account"],
    response_model=ProvenOut,
    response_model_exclude_none=True,
    dependencies=_LIMITED,
    openapi_extra={"security": [{}, {"bearer": []}]},
    responses={
        **may_refuse(
            InvalidLink,
            InvalidCredentials,
            MfaRequired,
            AccountBlocked,
            PasswordChangeRequired,
            TooManyAttempts,
            Overloaded,
        ),
        204: {"description": "Proven by who is signed in"},
    },
)
async def confirm_verification(
    request: Request,
    response: Response,
    body: VerifyEmailConfirmIn,
    caller: UserIfAny,
    source: RequestSource,
    verification: Annotated[EmailVerification, Provided(EmailVerification)],
    sign_in: Annotated[VerifyingSignIn, Provided(VerifyingSignIn)],
    tokens: Annotated[SessionTokens, Provided(SessionTokens)],
) -> ProvenOut | Response:
    """Verify an address with the token of its link, and say who you are.

    With `password` you are signed in, as by `/login`; a link allows five guesses. With your own
    access token in `Authorization` the address is verified, and nothing else happens: 204. With the
    token alone ("that was not me", "I forgot the password"), everything in an account that nobody
    has proven before is removed: sessions, factors, name and password. You get a `token` for
    `/recover/confirm`, to choose a password.
    """
    if body.password is not None:
        attempt = sign_in.confirm(body.token, body.password, source)
        session = await while_present(request, attempt)
        return ProvenOut(**TokensOut.of(tokens.write(session)).model_dump())
    if caller is not None:
        await verification.confirm_own(caller, body.token, source)
        return Response(status_code=204, headers=dict(response.headers))
    return ProvenOut(token=await verification.take_over(body.token, source))
