"""Sign up, and prove an address."""

from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from keyfob.core.http import Provided, RequestOrigin, may_refuse, router, while_present
from keyfob.core.problems import InvalidInput, Overloaded, TooManyRequests
from keyfob.limits.routes import limited
from keyfob.links.errors import InvalidLink
from keyfob.links.models import LinkTokenIn
from keyfob.passwords.errors import WeakPassword
from keyfob.registration.service import Registration
from keyfob.registration.verification import EmailVerification
from keyfob.sessions.models import TokensOut
from keyfob.users.email import EmailIn
from keyfob.users.errors import EmailTaken
from keyfob.users.locales import preferred_locale
from keyfob.users.models import Name, PasswordIn

routes = router()

_LIMITED = [Depends(limited("verify-email", by="address"))]
Verification = Annotated[EmailVerification, Provided(EmailVerification)]


class RegisterIn(BaseModel):
    """Who wants an account. Anything else, such as a role, is refused."""

    model_config = ConfigDict(extra="forbid")

    email: EmailIn
    password: PasswordIn
    name: Name | None = None


class VerifyEmailRequestIn(BaseModel):
    """An address to prove."""

    model_config = ConfigDict(extra="forbid")

    email: EmailIn


class VerifyEmailConfirmIn(BaseModel):
    """What the link carries."""

    model_config = ConfigDict(extra="forbid")

    token: LinkTokenIn


@routes.post(
    "/register",
    tags=["Sign-in"],
    status_code=201,
    response_model=TokensOut,
    dependencies=[Depends(limited("register", by="address"))],
    responses={
        **may_refuse(EmailTaken, WeakPassword, InvalidInput, TooManyRequests, Overloaded),
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
    origin: RequestOrigin,
    registration: Annotated[Registration, Provided(Registration)],
) -> TokensOut | Response:
    """Make an account and sign it in.

    The password needs 8 to 1,024 characters and must not be common, breached or like the e-mail;
    there are no rules about which characters. `Accept-Language` chooses the language of mails.
    """
    locale = preferred_locale(request.headers.get("accept-language", ""))
    attempt = registration.with_password(body.email, body.password, body.name, locale, origin)
    tokens = await while_present(request, attempt)
    if tokens is None:
        return Response(status_code=202, headers=dict(response.headers))
    return TokensOut.of(tokens)


@routes.post(
    "/verify-email/request",
    tags=["Account"],
    status_code=202,
    response_class=Response,
    dependencies=_LIMITED,
    responses=may_refuse(TooManyRequests),
)
async def request_verification(
    body: VerifyEmailRequestIn, origin: RequestOrigin, verification: Verification
) -> None:
    """Have a link sent that proves an address. The answer is the same whether it has an account."""
    await verification.request(body.email, origin)


@routes.post(
    "/verify-email/confirm",
    tags=["Account"],
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(InvalidLink, TooManyRequests),
)
async def confirm_verification(
    body: VerifyEmailConfirmIn, origin: RequestOrigin, verification: Verification
) -> None:
    """Prove an address with the token of its link."""
    await verification.confirm(body.token, origin)
