"""The caller's own account."""

from starlette.requests import Request

from keyfob.core.http import may_refuse, router
from keyfob.core.http.callers import authenticated
from keyfob.core.http.hot import hot_route
from keyfob.core.problems import Unauthenticated
from keyfob.users.models import UserOut
from keyfob.users.profiles import Profiles

routes = router("Account")


@hot_route(
    routes,
    "GET",
    "/me",
    response_model=UserOut,
    responses=may_refuse(Unauthenticated),
    secured=True,
)
async def me(request: Request) -> bytes:
    """Tell who you are."""
    caller = authenticated(request)
    profiles: Profiles = request.app.state.services[Profiles]
    return await profiles.body_of(caller)
