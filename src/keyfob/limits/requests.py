"""The limit of a route, as a dependency."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeAlias

from fastapi import Request, Response

from keyfob.authority.models import id_of
from keyfob.authority.requiring import authenticated
from keyfob.core.http import Provided, client_address
from keyfob.core.problems import Problem, TooManyRequests, Unauthenticated, Unavailable
from keyfob.limits.rates import SHARED, RateLimits
from keyfob.settings import variable_of

By: TypeAlias = Literal["address", "caller", "both"]


@dataclass(frozen=True)
class Limited:
    """Counts the requests of a route, as a dependency of FastAPI; what it says is in OpenAPI."""

    route: str
    by: By
    # Where the store of the counts is away, they fail closed.
    refuses: ClassVar[tuple[type[Problem], ...]] = (TooManyRequests, Unavailable)

    @property
    def in_words(self) -> str:
        """Say what is counted, and by which settings."""
        own, shared = (
            variable_of(f"limit_{name}".replace("-", "_")) for name in (self.route, SHARED)
        )
        by = {
            "address": f"per client address (`{own}`)",
            "caller": f"per caller (`{own}`)",
            "both": f"per caller (`{own}`), and per client address (`{shared}`)",
        }
        return f"Counted {by[self.by]}"

    async def __call__(
        self,
        request: Request,
        response: Response,
        rates: Annotated[RateLimits, Provided(RateLimits)],
    ) -> None:
        """Count a request, or refuse it with `TooManyRequests`."""
        caller = None if self.by == "address" else await _known_caller(request)
        client = None if caller and self.by == "caller" else client_address(request)
        state = await rates.hit(self.route, client, caller)
        response.headers.update(state.headers)


def limited(route: str, *, by: By) -> Limited:
    """Return the dependency that counts: `dependencies=[Depends(limited("login", by="address"))]`.

    It refuses with `TooManyRequests`, and adds the RateLimit fields to the answer of a route that
    returns a model (one that returns its own `Response` drops them).

    Args:
        route: the name in `KEYFOB_LIMIT_<ROUTE>`, in lower case.
        by: what is counted. There is no default: whoever adds a route says whom it is counted by.

            "address": the client's address, whatever token is sent. For what strangers may call:
            tokens of one's own are easily had, and must lift nothing.

            "caller": the user of the access token, from wherever. For what only reads, or takes
            away what the caller has: strangers behind an address use up nothing of its users.

            "both": the caller, and the address in the count that all signed-in changes share
            (`KEYFOB_LIMIT_ME_ADDRESS`). For what hashes, mails or writes: with many accounts, one
            client could else do many times as much.

            A request without a valid token is counted by its address, apart from those with one.
    """
    return Limited(route, by)


async def _known_caller(request: Request) -> str | None:
    if "authorization" in request.headers:
        with suppress(Unauthenticated):
            return str(id_of(await authenticated(request)))
    return None
