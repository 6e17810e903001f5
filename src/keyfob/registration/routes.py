"""Sign up."""

from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request

from keyfob.core.http import Provided, RequestOrigin, may_refuse, router, while_present
from keyfob.core.problems import InvalidInput, Overloaded, TooManyRequests
from keyfob.limits.routes import limited
from keyfob.passwords.errors import WeakPassword
from keyfob.registration.service import Registration
from keyfob.sessions.models import TokensOut
from keyfob.users.email import EmailIn
from keyfob.users.errors import EmailTaken
from keyfob.users.models import Name, PasswordIn

routes = router("Sign-in")


class RegisterIn(BaseModel):
    """Who wants an account. Anything else, such as a role, is refused."""

    model_config = ConfigDict(extra="forbid")

    email: EmailIn
    password: PasswordIn
    name: Name | None = None


@routes.post(
    "/register",
    status_code=201,
    dependencies=[Depends(limited("register"))],
    responses=may_refuse(EmailTaken, WeakPassword, InvalidInput, TooManyRequests, Overloaded),
)
async def register(
    request: Request,
    body: RegisterIn,
    origin: RequestOrigin,
    registration: Annotated[Registration, Provided(Registration)],
) -> TokensOut:
    """Make an account and sign it in.

    The password needs 8 to 1,024 characters and must not be common, breached or like the e-mail;
    there are no rules about which characters.
    """
    attempt = registration.with_password(body.email, body.password, body.name, origin)
    return TokensOut.of(await while_present(request, attempt))
