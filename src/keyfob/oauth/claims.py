"""The claims of a person that an app gets, by scope (OpenID Connect Core section 5.4)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from keyfob.accounts.models import Profile
from keyfob.accounts.service import Accounts

CLAIMS_OF_PERSON = (
    *("preferred_username", "name", "locale", "zoneinfo"),
    *("email", "email_verified", "groups"),
)


def claims_of(profile: Profile, roles: Sequence[str], scope: Collection[str]) -> dict[str, Any]:
    """Return the claims of a person that a scope opens; without what is not known.

    Threat: an address that nobody has proven is a stranger's word. An app that finds its users by
    it would let the stranger in as somebody else, so only a verified one is told.
    """
    claims: dict[str, Any] = {}
    if "profile" in scope:
        claims |= {
            "preferred_username": profile.email if profile.email_verified else None,
            "name": profile.name,
            "locale": str(profile.locale),
            "zoneinfo": profile.timezone,
        }
    if "email" in scope and profile.email_verified:
        claims |= {"email": profile.email, "email_verified": True}
    if "groups" in scope:
        claims["groups"] = list(roles)
    return {name: value for name, value in claims.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class PersonClaims:
    """Reads what an app may know of a person."""

    accounts: Accounts

    async def of(
        self, user_id: UUID, roles: Sequence[str], scope: Collection[str]
    ) -> dict[str, Any]:
        """Return the claims of a user with these roles.

        Raises:
            UserNotFound: the account is gone.
        """
        if set(scope).isdisjoint(("profile", "email", "groups")):
            return {}
        return claims_of(await self.accounts.get_profile(user_id), roles, scope)
