"""The caller's own login log."""

from typing import Annotated

from fastapi import Depends
from starlette.responses import Response

from keyfob.authority.models import User
from keyfob.authority.requiring import require
from keyfob.core.http import AskedPage, Provided, router
from keyfob.core.pagination import read_timed_place, timed_place
from keyfob.limits.requests import limited
from keyfob.login_log.models import LoginEventOut, LoginFilter
from keyfob.login_log.service import LoginLog

routes = router()


@routes.get(
    "/me/logins",
    tags=["Account"],
    dependencies=[Depends(limited("me", by="caller"))],
    response_model=list[LoginEventOut],
)
async def list_own_logins(
    caller: Annotated[User, require()],
    log: Annotated[LoginLog, Provided(LoginLog)],
    page: AskedPage,
) -> Response:
    """List your sign-ins, also refused ones, and ends of sessions, newest first.

    The `Link` header leads to the next page.
    """
    kind = f"logins {caller.user_id}"
    wanted = LoginFilter(user_id=caller.user_id)
    before = read_timed_place(page.start(kind))
    events = await log.list_events(wanted, before=before, limit=page.to_read)
    shown = page.cut(kind, events, lambda event: timed_place(event.at, event.id))
    return await page.answer(LoginEventOut, shown, LoginEventOut.values_of)
