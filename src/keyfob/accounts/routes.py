"""The caller's own account."""

from keyfob.accounts.models import OwnUserOut
from keyfob.accounts.profiles import Profiles
from keyfob.core.http import may_refuse, router
from keyfob.core.http.hot import HotCall, hot_route
from keyfob.core.problems import Unauthenticated

routes = router("Account")


@hot_route(
    routes,
    "GET",
    "/me",
    response_model=OwnUserOut,
    responses=may_refuse(Unauthenticated),
    secured=True,
)
async def me(call: HotCall) -> bytes:
    """Tell who you are."""
    return await call.service(Profiles).body_of(call.caller())
