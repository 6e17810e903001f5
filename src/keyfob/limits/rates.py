"""Limits of requests per route and client."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keyfob.core.addresses import networks_of
from keyfob.core.clock import Clock
from keyfob.core.problems import TooManyRequests
from keyfob.limits.models import WORTH, RateState, Rule, Window
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
    "admin-bulk",
    "revocations",
    "authorize",
    "device",
    "register-client",
)
# Shared by all changes of signed-in callers from one address.
SHARED = "me-address"
# Shared by all sign-ins that apps have signed-in users of one address ask for.
OF_APPS = "authorize-address"


@dataclass(frozen=True)
class RateLimits:
    """Counts requests per route and client, for all workers and instances together."""

    rules: Mapping[str, Rule]
    store: Store
    clock: Clock
    refused: Refused = field(default_factory=Refused)

    async def hit(
        self, route: str, client: str | None, caller: str | None = None, *, shared: str = SHARED
    ) -> RateState:
        """Count one request to a route: by address, by caller, or by both.

        The requests of a caller are counted per route. Those of an address are, too, if there is no
        caller; otherwise they are counted together with all requests by signed-in callers from
        there that have the same `shared` rule, by default all their changes.

        Raises:
            TooManyRequests: one of them has to wait; then nothing was counted.
            KeyError: the settings have no limit for the route.
            Unavailable: the store is down; then all requests are refused.
        """
        windows = self._windows(route, client, caller, shared)
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

    def ensure_space(self, route: str, client: str) -> None:
        """Refuse what would be refused by address, as far as this worker remembers; count nothing.

        Raises:
            TooManyRequests: a request from there was refused a moment ago.
            KeyError: see `hit`.
        """
        now = self.clock.now()
        if known := self.refused.find(self._windows(route, client, None, SHARED), now):
            raise _refusal(RateState(known, now))

    def _windows(
        self, route: str, client: str | None, caller: str | None, shared: str
    ) -> list[Window]:
        counted = []
        if caller is not None:
            counted += self.rules[route].windows("caller", caller)
        if client is not None:
            rule = self.rules[route if caller is None else shared]
            for network, worth in zip(networks_of(client), WORTH, strict=False):
                counted += rule.windows(network, times=worth)
        return counted


def _refusal(state: RateState) -> TooManyRequests:
    return TooManyRequests(state.retry_after, state.headers)
