"""Who calls, and what a role may do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Role(StrEnum):
    """What a user may do; each role may also do what the ones before it may."""

    USER = "user"
    MODERATOR = "moderator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Tell whether this role ranks at least as high as the other."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a verified access token speaks for: its `sub`, `sid`, `gen` and `role`."""

    user_id: UUID
    session_id: UUID
    generation: int
    role: Role


class Authenticator(Protocol):
    """Turns an access token into its caller; raises `Unauthenticated` if it cannot be believed."""

    def authenticate(self, token: str) -> Caller: ...
