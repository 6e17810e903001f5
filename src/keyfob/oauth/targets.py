"""The target of a token: its resources, its scope, and its lifetime."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from keyfob.authority.models import OPENID_SCOPES, Permission, User
from keyfob.authority.roles import Roles
from keyfob.clients.models import Grant, RegisteredClient, Resource
from keyfob.clients.resources import Resources
from keyfob.core.forms import Form
from keyfob.oauth.errors import InvalidScope, InvalidTarget

# The most characters of resources and scopes in one token. Our tokens are read up to 4,096, in
# base64.
_LONGEST = 1700


class Target(NamedTuple):
    """The resources and the scope of a token, and the seconds that it may live."""

    audience: tuple[str, ...]
    scope: tuple[str, ...]
    ttl: int


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Compares the request of a client with its registration."""

    resources: Resources
    roles: Roles

    def choose(
        self,
        client: RegisteredClient,
        named: Sequence[str],
        scope: str | None,
        *,
        within: Collection[str] | None = None,
    ) -> Target:
        """Return the target of a client's token.

        Without a resource, it is the client's only one (RFC 8707 section 2); without a scope, it is
        all that the client may ask for there. A scope is valid if one of the resources has it, and
        if it is one of `within`, where that is given.

        Threat: a token for our own API and another is used by the other one, at ours; so a token of
        ours is for that alone.

        Raises:
            InvalidTarget: a resource is unknown or not the client's, or there are several to choose
                from, or ours is one of several.
            InvalidScope: a scope is unknown or not the client's, or there are too many.
        """
        resources = self._find(client, named)
        there = {name for resource in resources for name in resource.scopes}
        if within is not None:
            there &= set(within)
        allowed = [name for name in client.scope if name in there]
        asked = allowed if scope is None else scope.split()
        if not set(asked) <= set(allowed):
            raise InvalidScope
        audience = tuple(resource.identifier for resource in resources)
        if self.is_own(audience) and len(audience) > 1:
            raise InvalidTarget("A token of our own API is for that alone")
        granted = tuple(name for name in allowed if name in asked)
        if len(" ".join((*audience, *granted))) > _LONGEST:
            raise InvalidScope("Ask for fewer scopes at once")
        return Target(audience, granted, self.lifetime(client, audience))

    def lifetime(self, client: RegisteredClient, audience: Collection[str]) -> int:
        """Return the seconds that a client's token lives: the least that an API, or it, allows."""
        found = [self.resources.find(name) for name in audience]
        ttls = [one.access_token_ttl for one in found if one and one.access_token_ttl]
        return min([client.access_token_ttl, *ttls])

    def rights_of(self, scope: Sequence[str], audience: Sequence[str]) -> tuple[str, ...]:
        """Return the contents of a consent: scopes about the person, and each scope at each API.

        The identifier of the API stands before its scope; neither has a space in it. Threats: two
        APIs have scopes of the same name. Whoever allows one of them at one API, and another at the
        other, has not allowed both at both. And an API that gets a scope later, which another one
        has, was not meant when that was allowed.
        """
        about = [name for name in scope if name in OPENID_SCOPES]
        offers = {api: self.resources.find(api) for api in audience}
        further = [
            f"{api} {name}"
            for api, found in offers.items()
            for name in scope
            if found and name in found.scopes and name not in OPENID_SCOPES
        ]
        return (*about, *further)

    def choose_for_user(
        self, client: RegisteredClient, form: Form
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the scope and the audience of an app's token for its user.

        Without any resource, it opens `userinfo` alone.

        Raises:
            InvalidTarget, InvalidScope: see `choose`.
        """
        named, wanted = form.list_all("resource"), (form.get("scope") or "").split()
        about = [name for name in OPENID_SCOPES if name in wanted]
        if Grant.REFRESH_TOKEN not in client.grants and "offline_access" in about:
            about.remove("offline_access")  # to be ignored: OpenID Connect Core section 11
        further = [name for name in wanted if name not in OPENID_SCOPES]
        if not named and not further:
            if not about:
                raise InvalidScope("No scope is asked for")
            return tuple(about), ()
        target = self.choose(client, named, " ".join(further))
        return (*about, *target.scope), target.audience

    def is_own(self, audience: Collection[str]) -> bool:
        """Tell whether an audience has our own API in it."""
        return self.resources.issuer in audience

    def part_to_give(
        self, scope: Sequence[str], audience: Collection[str], user: User
    ) -> tuple[str, ...]:
        """Return a scope without those rights at our own API that a user does not hold now.

        Threat: an app asks everybody for all rights, and has them of whoever gets a role later.
        """
        if not self.is_own(audience):
            return tuple(scope)
        given = {*OPENID_SCOPES, *self.roles.permissions_of(user)}
        return tuple(name for name in scope if name in given)

    def are_over_others(self, scope: Collection[str], audience: Collection[str]) -> bool:
        """Tell whether a scope has rights at our own API that concern others."""
        over_others = frozenset(Permission) - {Permission.ACCOUNT_READ}
        return self.is_own(audience) and not over_others.isdisjoint(scope)

    def _find(self, client: RegisteredClient, named: Sequence[str]) -> list[Resource]:
        chosen = dict.fromkeys(named or client.resources)
        if not chosen:
            raise InvalidTarget("The client has no resources")
        if not named and len(chosen) > 1:
            raise InvalidTarget("The client has several resources; name one by resource")
        found = [self.resources.find(name) for name in chosen if name in client.resources]
        resources = [resource for resource in found if resource is not None]
        if len(resources) < len(chosen):
            raise InvalidTarget
        return resources
