"""The limit of a route, as a dependency."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated

from fastapi import Request, Response

from keyfob.core.http import Provided, client_address
from keyfob.core.http.callers import authenticated
from keyfob.core.problems import Unauthenticated
from keyfob.limits.service import RateLimits


def _known_caller(request: Request) -> str | None:
    if "authorization" in request.headers:
        with suppress(Unauthenticated):
            return str(authenticated(request).user_id)
    return None


def limited(route: str) -> Callable[..., Awaitable[None]]:
    """Return a dependency that counts a request: `dependencies=[Depends(limited("login"))]`.

    Who calls with a valid access token is counted as that user, from wherever; everybody else by
    address, so that strangers behind one address cannot use up what its users have.

    It refuses with `TooManyRequests`, and adds the RateLimit fields to the answer of a route that
    returns a model (one that returns its own `Response` drops them).

    Args:
        route: the name in `KEYFOB_LIMIT_<ROUTE>`, in lower case.
    """

    async def count_request(
        request: Request, response: Response, rates: Annotated[RateLimits, Provided(RateLimits)]
    ) -> None:
        state = await rates.hit(route, client_address(request), _known_caller(request))
        response.headers.update(state.headers)

    return count_request
