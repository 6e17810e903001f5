"""The subject of a request, and its role."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from keyfob.core.database import Executor


class Role(StrEnum):
    """The roles of users, in ascending order; each includes the powers of those before it."""

    USER = "user"
    MODERATOR = "moderator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Tell whether this role ranks at least as high as the other."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


def has_second_factor(amr: Collection[str]) -> bool:
    """Tell whether a sign-in by these methods (RFC 8176) used more than one factor."""
    return "mfa" in amr


def acr_of(amr: Collection[str]) -> str:
    """Return the `acr` of a sign-in: "aal2" with a second factor, else "aal1".

    Named after the authenticator assurance levels of NIST SP 800-63B, without claiming conformance.
    """
    return "aal2" if has_second_factor(amr) else "aal1"


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in user, as described by the claims of a verified access token.

    `is_restricted`: the role requires a second factor and this sign-in had none; such a user can do
    nothing but add one.
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
    """Returns the user of an access token; raises `Unauthenticated` if the token is not valid."""

    def authenticate(self, token: str) -> User: ...


class StepUp(Protocol):
    """Requires a recent sign-in, with a factor if the user has one (RFC 9470)."""

    async def ensure_recent(self, caller: User, db: "Executor | None" = None) -> None: ...
