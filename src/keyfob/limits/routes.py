"""The limit of a route, as a dependency."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Request, Response

from keyfob.core.http import Provided, client_address
from keyfob.limits.service import RateLimits


def limited(route: str) -> Callable[..., Awaitable[None]]:
    """Return a dependency that counts a request: `dependencies=[Depends(limited("login"))]`.

    It refuses with `TooManyRequests`, and adds the RateLimit fields to the answer of a route that
    returns a model (one that returns its own `Response` drops them).

    Args:
        route: the name in `KEYFOB_LIMIT_<ROUTE>`, in lower case.
    """

    async def count_request(
        request: Request, response: Response, rates: Annotated[RateLimits, Provided(RateLimits)]
    ) -> None:
        state = await rates.hit(route, client_address(request))
        response.headers.update(state.headers)

    return count_request
