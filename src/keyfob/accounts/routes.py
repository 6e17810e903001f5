"""The caller's own account."""

from keyfob.accounts.models import OwnUserOut
from keyfob.accounts.profiles import Profiles
from keyfob.authority.requiring import of_own_account, reader_of
from keyfob.core.http import may_refuse, router
from keyfob.core.http.hot import HotCall, hot_route
from keyfob.core.problems import TooManyRequests, Unavailable

routes = router("Account")


@hot_route(
    routes,
    "GET",
    "/me",
    response_model=OwnUserOut,
    responses=may_refuse(TooManyRequests, Unavailable),  # of API keys, and of proofs
    dependencies=[of_own_account],
)
async def me(call: HotCall) -> bytes:
    """Return the caller's own account; an API key or an app needs `account:read` in its scope."""
    return await call.service(Profiles).body_of(await reader_of(call, "/me"))
