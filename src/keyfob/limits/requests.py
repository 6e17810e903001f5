"""The rate limit of a route, as a dependency."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeAlias
from uuid import UUID

from fastapi import Request, Response

from keyfob.authority.models import ApiKey, App, Subject, id_of
from keyfob.authority.requiring import authenticated
from keyfob.core.http import Provided, client_address
from keyfob.core.problems import Problem, TooManyRequests, Unauthenticated, Unavailable
from keyfob.limits.rates import SHARED, RateLimits
from keyfob.settings import variable_of

By: TypeAlias = Literal["address", "caller", "both"]


@dataclass(frozen=True)
class Limited:
    """Counts the requests of a route, as a FastAPI dependency; OpenAPI describes the limit."""

    route: str
    by: By
    shared: str = SHARED
    # If the store of the counts is down, requests are refused.
    refuses: ClassVar[tuple[type[Problem], ...]] = (TooManyRequests, Unavailable)

    @property
    def in_words(self) -> str:
        """Return in words what is counted, and the settings that limit it."""
        own, shared = (
            variable_of(f"limit_{name}".replace("-", "_")) for name in (self.route, self.shared)
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
        state = await rates.hit(self.route, client, caller, shared=self.shared)
        response.headers.update(state.headers)


def limited(route: str, *, by: By, shared: str = SHARED) -> Limited:
    """Return a dependency that counts requests.

    It is declared as `dependencies=[Depends(limited("login", by="address"))]`. It raises
    `TooManyRequests`, and adds the RateLimit fields to the response of a route that returns a model
    (a route that returns a `Response` of its own drops them).

    Args:
        route: the name in `KEYFOB_LIMIT_<ROUTE>`, in lower case.
        by: what is counted, see below. There is no default, so that each new route has to choose.
        shared: the count per address that "both" shares with other routes.

    "address" counts by the client's address, whatever token is sent. It is for routes that are open
    to strangers: tokens are easy to get, and must not lift a limit.

    "caller" counts by the user of the access token, from any address; each API key, and each grant
    of an app, counts for itself. It is for routes that only read, or that remove something of the
    caller's: strangers behind an address cannot use up the limit of users there.

    "both" counts by the caller and by the address, together with all other changes of signed-in
    callers (`KEYFOB_LIMIT_ME_ADDRESS`). It is for routes that hash, mail or write: otherwise one
    client with many accounts could do many times as much. Sign-ins that apps ask for share a count
    of their own, which is larger (`KEYFOB_LIMIT_AUTHORIZE_ADDRESS`): offices share an address, and
    apps renew their sign-ins unasked.

    A request without a valid token is counted by its address, separately from those with one.
    """
    return Limited(route, by, shared)


async def _known_caller(request: Request) -> str | None:
    if "authorization" in request.headers or hasattr(request.state, "subject"):
        with suppress(Unauthenticated):
            return str(counted_for(await authenticated(request)))
    return None


def counted_for(subject: Subject) -> UUID:
    """Return the id that a subject's calls and streams count for.

    Threat: a key or an app uses up those of its user, who cannot take it back then.
    """
    if isinstance(subject, App):
        return subject.user.session_id
    return subject.key_id if isinstance(subject, ApiKey) else id_of(subject)
