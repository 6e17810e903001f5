"""Requests per route and client: may this one pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keyfob.core.addresses import networks_of
from keyfob.core.clock import Clock
from keyfob.core.problems import TooManyRequests
from keyfob.limits.models import RateState, Rule, Window
from keyfob.limits.refused import Refused
from keyfob.limits.store import Store

ROUTES = (
    "register",
    "login",
    "passkey",
    "verify-email",
    "recover",
    "logout",
    "me",
    "me-password",
    "me-email",
    "me-factors",
    "me-export",
    "admin",
)
# What all signed-in changes from one address share.
SHARED = "me-address"

# How many clients' worth an IPv6 /64, the /56 and the /48 around it have. Threat: whoever has a /48
# has 65,536 networks of 64 bits, each of which would be a client.
_WORTH = (1, 4, 16)


@dataclass(frozen=True)
class RateLimits:
    """Requests per route and client, counted for all workers and instances together."""

    rules: Mapping[str, Rule]
    store: Store
    clock: Clock
    refused: Refused = field(default_factory=Refused)

    async def hit(self, route: str, client: str | None, caller: str | None = None) -> RateState:
        """Count one request to a route: of an address, of a caller, or of both.

        A caller's requests are counted under the route; those of an address likewise where there is
        no caller, else among all that signed-in callers change from there.

        Raises:
            TooManyRequests: one of them has to wait; then nothing was counted.
            KeyError: the route has no limit in the settings.
            Unavailable: the store is away; limits fail closed.
        """
        windows = self._windows(route, client, caller)
        now = self.clock.now()
        if not windows:
            return RateState((), now)
        if known := self.refused.find(windows, now):
            raise _refusal(RateState(known, now))
        outcome = await self.store.count_attempt(windows)
        state = RateState(outcome.tallies, self.clock.now())
        if not outcome.counted:
            self.refused.add(windows, outcome.tallies, state.now)
            raise _refusal(state)
        return state

    def _windows(self, route: str, client: str | None, caller: str | None) -> list[Window]:
        counted = []
        if caller is not None:
            counted += self.rules[route].windows("caller", caller)
        if client is not None:
            rule = self.rules[route if caller is None else SHARED]
            for network, worth in zip(networks_of(client), _WORTH, strict=False):
                counted += rule.windows(network, times=worth)
        return counted


def _refusal(state: RateState) -> TooManyRequests:
    return TooManyRequests(state.retry_after, state.headers)
