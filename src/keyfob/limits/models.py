"""Rules, the windows they open for a key, and what was counted in them."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import limits

_KEY_DIGITS = 32


@dataclass(frozen=True)
class Window:
    """A fixed window of one key: at most `amount` in the `seconds` after the first."""

    policy: str
    key: str
    amount: int
    seconds: int


@dataclass(frozen=True)
class Tally:
    """A window's count as the store has it, and when the window ends."""

    window: Window
    count: int
    expires_at: datetime

    @property
    def remaining(self) -> int:
        """How many more fit into the window."""
        return max(0, self.window.amount - self.count)

    def seconds_left(self, now: datetime) -> int:
        """Return the whole seconds until the window ends, at least 1."""
        return max(1, math.ceil((self.expires_at - now).total_seconds()))


@dataclass(frozen=True)
class Rule:
    """A name, and one or more limits that hold together."""

    name: str
    items: tuple[limits.RateLimitItem, ...] = ()

    @classmethod
    def parse(cls, name: str, notation: str) -> "Rule":
        """Read the notation of the `limits` library: "5/minute" or "5/minute;20/hour".

        Raises:
            ValueError: the notation cannot be read.
        """
        # Without twins: one statement cannot count twice in one row.
        return cls(name, tuple(dict.fromkeys(limits.parse_many(notation))))

    def windows(self, *identifiers: str, times: int = 1) -> list[Window]:
        """Return the windows of one client, account or pair; none where nothing is limited.

        Each holds so many `times` what the rule says.

        What a caller may choose freely goes last, so that no two lists of identifiers meet.
        """
        return [
            Window(
                policy=self._policy(item),
                key=_digest(item.key_for(self.name, *identifiers)),
                amount=item.amount * times,
                seconds=item.get_expiry(),
            )
            for item in self.items
        ]

    def _policy(self, item: limits.RateLimitItem) -> str:
        return self.name if len(self.items) == 1 else f"{self.name}-{item.get_expiry()}"


def _digest(key: str) -> str:
    # Addresses and e-mails do not rest in the table in the clear.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_KEY_DIGITS]


@dataclass(frozen=True)
class RateState:
    """Where a caller stands; empty where nothing is limited."""

    tallies: Sequence[Tally]
    now: datetime

    @property
    def headers(self) -> dict[str, str]:
        """Render RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10).

        Of windows of one policy (a network's, and those around it) the tightest is told.
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
        """Seconds until every window has room again; 0 where all have."""
        return max(
            (tally.seconds_left(self.now) for tally in self.tallies if not tally.remaining),
            default=0,
        )
