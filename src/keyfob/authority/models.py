"""Who asks, and what a role may do."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from keyfob.core.database import Executor


class Role(StrEnum):
    """What a user may do; each role may also do what the ones before it may."""

    USER = "user"
    MODERATOR = "moderator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Tell whether this role ranks at least as high as the other."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


def has_second_factor(amr: Collection[str]) -> bool:
    """Tell whether a sign-in by these methods (RFC 8176) took more than one factor."""
    return "mfa" in amr


def acr_of(amr: Collection[str]) -> str:
    """Return the `acr` of a sign-in: "aal2" with a second factor, else "aal1".

    After the authenticator assurance levels of NIST SP 800-63B; no claim to conformance.
    """
    return "aal2" if has_second_factor(amr) else "aal1"


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in user, by the claims of a verified access token.

    `is_restricted`: the role asks for a second factor and this sign-in had none; such a user may
    do nothing but add one.
    """

    user_id: UUID
    session_id: UUID
    generation: int
    role: Role
    auth_time: datetime
    amr: tuple[str, ...]
    is_restricted: bool = False
    sub_gen: int = 0


class Authenticator(Protocol):
    """Turns an access token into its user; raises `Unauthenticated` if it cannot be believed."""

    def authenticate(self, token: str) -> User: ...


class StepUp(Protocol):
    """Asks for a sign-in that is recent, and with a factor where one is set (RFC 9470)."""

    async def ensure_recent(self, caller: User, db: "Executor | None" = None) -> None: ...
