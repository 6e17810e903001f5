"""Sign in, and the caller's own login history."""

from typing import Annotated

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from keyfob.core.http import (
    CurrentCaller,
    Provided,
    RequestOrigin,
    may_refuse,
    public_path,
    router,
    while_present,
)
from keyfob.core.pagination import Cursors, next_link, read_timed_place, timed_place
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
from keyfob.users.email import EmailIn
from keyfob.users.models import PasswordIn

routes = router()


class PasswordLogin(BaseModel):
    """What a person knows."""

    model_config = ConfigDict(extra="forbid")

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
    request: Request,
    response: Response,
    caller: CurrentCaller,
    log: Annotated[LoginLog, Provided(LoginLog)],
    cursors: Annotated[Cursors, Provided(Cursors)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=1024)] = None,
) -> list[LoginEventOut]:
    """List your sign-ins, refused ones too, and ends of sessions, the newest first.

    The `Link` header leads to the next page.
    """
    kind = f"logins {caller.user_id}"
    before = read_timed_place(cursors.read(kind, cursor)) if cursor else None
    events = await log.list_events(user_id=caller.user_id, before=before, limit=limit + 1)
    if len(events) > limit:
        last = events[limit - 1]
        following = cursors.write(kind, timed_place(last.at, last.id))
        response.headers["Link"] = next_link(
            public_path(request), dict(request.query_params), following
        )
    return [LoginEventOut.of(event) for event in events[:limit]]
