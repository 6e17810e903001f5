"""Administration of the resources that tokens are for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from keyfob.administration.authority import Actor, Authority
from keyfob.administration.clients import ensure_may_write
from keyfob.administration.errors import ResourceInUse, ResourceTaken
from keyfob.administration.told_clients import difference
from keyfob.audit.events import Event
from keyfob.clients.models import Holders, RegisteredClient, Resource
from keyfob.clients.resources import Resources
from keyfob.clients.service import Clients
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.problems import NotFound
from keyfob.core.secrets import new_id

_MOST_NAMED = 10
_MOST_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class ResourceAdministration:
    """Registers APIs; a scope that one loses is lost at once by every client.

    A person needs a recent sign-in for every change, as for clients.
    """

    db: Database
    clients: Clients
    resources: Resources
    authority: Authority
    clock: Clock

    async def list_all(self) -> Sequence[Resource]:
        """Return every registered resource, by identifier."""
        return await self.resources.list_all(self.db)

    async def get(self, resource_id: UUID) -> Resource:
        """Return a registered resource.

        Raises:
            NotFound: there is none with that id.
        """
        for resource in await self.list_all():
            if resource.id == resource_id:
                return resource
        raise NotFound

    async def count_holders(self, resource: Resource) -> Holders:
        """Return how many clients have a resource, and the first of them."""
        return await self.clients.count_holders(resource.identifier, _MOST_SHOWN)

    async def create(self, actor: Actor, asked: Resource) -> Resource:
        """Register a resource, which gets its id and times here.

        Raises:
            ResourceTaken: there is one with that identifier, or it names our own API.
            InsufficientAuthentication: the sign-in is not recent.
        """
        now = self.clock.now()
        resource = asked._replace(id=new_id(now), created_at=now, updated_at=now)
        async with self.db.begin() as tx:
            await ensure_may_write(tx, self.authority, actor)
            is_own = self.resources.names_own(resource.identifier)
            if is_own or not await self.resources.add(tx, resource):
                raise ResourceTaken
            told = {"identifier": resource.identifier, "scopes": sorted(resource.scopes)}
            await self.authority.record(tx, actor, Event.RESOURCE_CREATED, resource.id, new=told)
        return resource

    async def change(
        self, actor: Actor, resource_id: UUID, changed: Callable[[Resource], Resource]
    ) -> Resource:
        """Change a resource to what `changed` makes of its present state.

        Clients lose the scopes that it loses, and with them all tokens that they have.

        Raises:
            NotFound: there is none with that id.
            InsufficientAuthentication: the sign-in is not recent.
        """
        async with self.db.begin() as tx:
            await ensure_may_write(tx, self.authority, actor)
            before = await self._lock(tx, resource_id)
            after = changed(before)
            if after == before:
                return before
            await self.resources.change(tx, after)
            changed_clients, of_strangers = await self._take_scopes(tx, before, after)
            for client, less in changed_clients:
                told = difference(client, less)
                await self.authority.record(tx, actor, Event.CLIENT_CHANGED, client.id, *told)
            old, new = _difference(before, after)
            new |= {"self_registered": of_strangers} if of_strangers else {}
            await self.authority.record(tx, actor, Event.RESOURCE_CHANGED, resource_id, old, new)
        return after

    async def delete(self, actor: Actor, resource_id: UUID) -> None:
        """Delete a resource that no client has any more.

        Raises:
            NotFound: there is none with that id.
            ResourceInUse: clients have it.
            InsufficientAuthentication: the sign-in is not recent.
        """
        async with self.db.begin() as tx:
            await ensure_may_write(tx, self.authority, actor)
            resource = await self._lock(tx, resource_id)
            if users := await self.clients.list_own_of_resource(tx, resource.identifier):
                raise ResourceInUse(
                    f"{len(users)} in all",
                    extra={"client_ids": [str(client.id) for client in users[:_MOST_NAMED]]},
                )
            await self.resources.remove(tx, resource)
            told = {"identifier": resource.identifier}
            await self.authority.record(tx, actor, Event.RESOURCE_DELETED, resource_id, told)

    async def _lock(self, tx: Tx, resource_id: UUID) -> Resource:
        resource = await self.resources.lock(tx, resource_id)
        if resource is None:
            raise NotFound
        return resource

    async def _take_scopes(
        self, tx: Tx, before: Resource, after: Resource
    ) -> tuple[list[tuple[RegisteredClient, RegisteredClient]], int]:
        """Take scopes that a resource has lost from its clients; return each as it was and is.

        Of clients that registered themselves, return the number: there may be very many. A scope
        stays if another resource of the client has it. The client's tokens end either way: services
        that verify tokens would go on believing them.
        """
        lost = before.scopes.keys() - after.scopes.keys()
        if not lost:
            return [], 0
        own = self.resources.own
        offers = {one.identifier: one.scopes for one in (own, *await self.resources.list_all(tx))}
        changed = []
        for client in await self.clients.list_own_of_resource(tx, before.identifier):
            if not lost & set(client.scope):
                continue
            offered = {scope for name in client.resources for scope in offers.get(name, ())}
            kept = tuple(scope for scope in client.scope if scope not in lost - offered)
            less = await self.clients.change(tx, client._replace(scope=kept), revokes=True)
            changed.append((client, less))
        elsewhere = [(api, scope) for api, scopes in offers.items() for scope in lost & {*scopes}]
        of_strangers = await self.clients.take_scopes(
            tx, before.identifier, sorted(lost), elsewhere
        )
        return changed, of_strangers


def _difference(before: Resource, after: Resource) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the old and the new values of what a change has changed, for the audit log."""
    old, new = _told(before), _told(after)
    told_old = {name: old[name] for name in new if old[name] != new[name]}
    told_new = {name: new[name] for name in told_old}
    names = before.scopes.keys() | after.scopes.keys()
    other = [name for name in sorted(names) if before.scopes.get(name) != after.scopes.get(name)]
    if words := _words(before.scopes, other):
        told_old["words"] = words
    if words := _words(after.scopes, other):
        told_new["words"] = words
    return told_old, told_new


def _told(resource: Resource) -> dict[str, Any]:
    return {
        "name": resource.name,
        "scopes": sorted(resource.scopes),
        "access_token_ttl": resource.access_token_ttl,
    }


def _words(scopes: Mapping[str, Mapping[str, str]], names: Sequence[str]) -> list[str]:
    """Return what the descriptions of scopes say, a line for each language."""
    found = [(name, scopes.get(name, {})) for name in names]
    return [f"{name} ({locale}): {said[locale]}" for name, said in found for locale in sorted(said)]
