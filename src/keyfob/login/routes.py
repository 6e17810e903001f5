"""Sign in, and the caller's own login history."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from keyfob.accounts.email import EmailIn
from keyfob.accounts.models import PasswordIn
from keyfob.core.bodies import Body
from keyfob.core.http import (
    AskedPage,
    CurrentCaller,
    Provided,
    RequestOrigin,
    may_refuse,
    router,
    while_present,
)
from keyfob.core.pagination import read_timed_place, timed_place
from keyfob.core.problems import InvalidCursor, Overloaded, TooManyRequests, Unauthenticated
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.routes import limited
from keyfob.login.errors import (
    AccountBlocked,
    InvalidCredentials,
    MfaRequired,
    PasswordChangeRequired,
)
from keyfob.login.log import LoginLog
from keyfob.login.models import LoginEventOut
from keyfob.login.service import Login
from keyfob.sessions.models import TokensOut

routes = router()


class PasswordLogin(Body):
    """What a person knows."""

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
        TooManyRequests,
        Overloaded,
    ),
)
async def log_in(
    request: Request,
    body: PasswordLogin,
    origin: RequestOrigin,
    login: Annotated[Login, Provided(Login)],
) -> TokensOut:
    """Exchange an e-mail and a password for a session's first tokens."""
    attempt = login.with_password(body.email, body.password, origin)
    return TokensOut.of(await while_present(request, attempt))


@routes.get(
    "/me/logins",
    tags=["Account"],
    dependencies=[Depends(limited("me", by="caller"))],
    responses=may_refuse(Unauthenticated, TooManyRequests, InvalidCursor),
)
async def list_own_logins(
    caller: CurrentCaller,
    log: Annotated[LoginLog, Provided(LoginLog)],
    page: AskedPage,
) -> list[LoginEventOut]:
    """List your sign-ins, refused ones too, and ends of sessions, the newest first.

    The `Link` header leads to the next page.
    """
    kind = f"logins {caller.user_id}"
    after = page.start(kind)
    events = await log.list_events(
        user_id=caller.user_id,
        before=read_timed_place(after) if after else None,
        limit=page.to_read,
    )
    shown = page.cut(kind, events, lambda event: timed_place(event.at, event.id))
    return [LoginEventOut.of(event) for event in shown]
