"""Rules, their windows for a key, and the counts in them."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import limits

_KEY_DIGITS = 32

# The limits of an IPv6 /64, the /56 and the /48 around it, as multiples of a client's. Threat:
# the owner of a /48 has 65,536 networks of 64 bits, each of which would count as a client.
WORTH = (1, 4, 16)


@dataclass(frozen=True)
class Window:
    """A fixed window of one key: at most `amount` in the `seconds` after the first attempt."""

    policy: str
    key: str
    amount: int
    seconds: int


@dataclass(frozen=True)
class Tally:
    """The count of a window in the store, and the end of the window."""

    window: Window
    count: int
    expires_at: datetime

    @property
    def remaining(self) -> int:
        """The number of attempts for which the window has space left."""
        return max(0, self.window.amount - self.count)

    def seconds_left(self, now: datetime) -> int:
        """Return the whole seconds until the window ends, at least 1."""
        return max(1, math.ceil((self.expires_at - now).total_seconds()))


@dataclass(frozen=True)
class Rule:
    """A named set of one or more limits that apply together."""

    name: str
    items: tuple[limits.RateLimitItem, ...] = ()

    @classmethod
    def parse(cls, name: str, notation: str) -> "Rule":
        """Parse the notation of the `limits` library: "5/minute" or "5/minute;20/hour".

        Raises:
            ValueError: the notation is not valid.
        """
        # Without duplicates: one statement cannot count twice in the same row.
        return cls(name, tuple(dict.fromkeys(limits.parse_many(notation))))

    def windows(self, *identifiers: str, times: int = 1, parts: int = 1) -> list[Window]:
        """Return the windows of one client, account or pair; none if nothing is limited.

        Each allows `times` the amount of the rule, or one of its equal `parts`, at least 1.

        The identifier that a caller may choose freely goes last, so that no two lists of
        identifiers yield the same key.
        """
        return [
            Window(
                policy=self._policy(item),
                key=_digest(item.key_for(self.name, *identifiers)),
                amount=max(1, item.amount * times // parts),
                seconds=item.get_expiry(),
            )
            for item in self.items
        ]

    def _policy(self, item: limits.RateLimitItem) -> str:
        return self.name if len(self.items) == 1 else f"{self.name}-{item.get_expiry()}"


def _digest(key: str) -> str:
    # The table holds no addresses or e-mails in plain text.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_KEY_DIGITS]


@dataclass(frozen=True)
class RateState:
    """The state of a caller's limits; empty if nothing is limited."""

    tallies: Sequence[Tally]
    now: datetime

    @property
    def headers(self) -> dict[str, str]:
        """Return RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10).

        Among the windows of one policy (those of a network and of larger ones around it), the
        tightest is shown.
        """
        if not self.tallies:
            return {}
        tightest: dict[str, Tally] = {}
        for tally in self.tallies:
            before = tightest.setdefault(tally.window.policy, tally)
            if tally.remaining < before.remaining:
                tightest[tally.window.policy] = tally
        told = tightest.values()
        return {
            "RateLimit-Policy": ", ".join(
                f'"{one.policy}";q={one.amount};w={one.seconds}' for one in (t.window for t in told)
            ),
            "RateLimit": ", ".join(
                f'"{tally.window.policy}";r={tally.remaining};t={tally.seconds_left(self.now)}'
                for tally in told
            ),
        }

    @property
    def retry_after(self) -> int:
        """The seconds until every window has space again; 0 if all have."""
        return max(
            (tally.seconds_left(self.now) for tally in self.tallies if not tally.remaining),
            default=0,
        )
