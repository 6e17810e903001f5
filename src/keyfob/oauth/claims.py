"""The claims of a person that an app gets, by scope or by name (OpenID Connect Core section 5)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from keyfob.accounts.models import Profile
from keyfob.accounts.service import Accounts

# Section 5.4; `groups` is ours.
_BY_SCOPE: Mapping[str, tuple[str, ...]] = {
    "profile": ("preferred_username", "name", "locale", "zoneinfo"),
    "email": ("email", "email_verified"),
    "groups": ("groups",),
}
CLAIMS_OF_PERSON = tuple(name for names in _BY_SCOPE.values() for name in names)


def scopes_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return the scopes that open these claims: in the words of a scope, a user allows them."""
    wanted = set(names)
    return tuple(scope for scope, opened in _BY_SCOPE.items() if wanted & {*opened})


def claims_of(
    profile: Profile, roles: Sequence[str], scope: Collection[str], names: Collection[str] = ()
) -> dict[str, Any]:
    """Return the claims of a person that a scope opens, and named ones; without what is not known.

    Threat: an address that nobody has proven is a stranger's word. An app that finds its users by
    it would let the stranger in as somebody else, so only a verified one is told.
    """
    email = profile.email if profile.email_verified else None
    known = {
        "preferred_username": email,
        "name": profile.name,
        "locale": str(profile.locale),
        "zoneinfo": profile.timezone,
        "email": email,
        "email_verified": True if email else None,
        "groups": list(roles),
    }
    told = {*names, *(name for one in scope for name in _BY_SCOPE.get(one, ()))}
    return {name: value for name, value in known.items() if name in told and value is not None}


@dataclass(frozen=True, kw_only=True)
class PersonClaims:
    """Reads what an app may know of a person."""

    accounts: Accounts

    async def of(
        self,
        user_id: UUID,
        roles: Sequence[str],
        scope: Collection[str],
        names: Collection[str] = (),
    ) -> dict[str, Any]:
        """Return the claims of a user with these roles: those of a scope, and named ones.

        Raises:
            UserNotFound: the account is gone.
        """
        if not names and _BY_SCOPE.keys().isdisjoint(scope):
            return {}
        return claims_of(await self.accounts.get_profile(user_id), roles, scope, names)
