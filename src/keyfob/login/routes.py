"""Signing in with a password."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from keyfob.accounts.email import EmailIn
from keyfob.accounts.models import PasswordIn
from keyfob.core.bodies import Body
from keyfob.core.http import Provided, may_refuse, router, while_present
from keyfob.core.problems import Overloaded
from keyfob.devices.requests import RequestSource
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.requests import limited
from keyfob.login.errors import (
    AccountBlocked,
    InvalidCredentials,
    MfaRequired,
    PasswordChangeRequired,
)
from keyfob.login.service import Login
from keyfob.sessions.models import TokensOut
from keyfob.sessions.service import SessionTokens

routes = router()


class PasswordLogin(Body):
    """An e-mail address and a password."""

    email: EmailIn
    password: PasswordIn


@routes.post(
    "/login",
    tags=["Sign-in"],
    dependencies=[Depends(limited("login", by="address"))],
    responses=may_refuse(
        InvalidCredentials,
        MfaRequired,
        AccountBlocked,
        PasswordChangeRequired,
        TooManyAttempts,
        Overloaded,
    ),
)
async def log_in(
    request: Request,
    body: PasswordLogin,
    source: RequestSource,
    login: Annotated[Login, Provided(Login)],
    tokens: Annotated[SessionTokens, Provided(SessionTokens)],
) -> TokensOut:
    """Exchange an e-mail and a password for a session's first tokens."""
    attempt = login.with_password(body.email, body.password, source)
    return TokensOut.of(tokens.write(await while_present(request, attempt)))
