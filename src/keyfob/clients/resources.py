"""The resources that tokens may be for, kept in memory, since they are few."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from keyfob.authority.models import Permission
from keyfob.clients import resource_queries as queries
from keyfob.clients.models import Resource
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.kept import Kept
from keyfob.core.locales import Locale

_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(kw_only=True)
class Resources:
    """Finds resources by their identifiers. Keyfob's own API is one: its identifier is the issuer.

    Its other name is the audience of our own sign-ins, under which no resource is found. Threat: a
    program registers it, and is told of all sign-ins, and believed wherever they are believed.

    Args:
        db: the database.
        clock: the time.
        issuer: the identifier of our own API, whose scopes are the permissions.
        audience: the audience of our own sign-ins.
    """

    db: Database
    clock: Clock
    issuer: str
    audience: str
    _registered: Kept[Resource] = field(init=False)
    _polled: str = ""

    def __post_init__(self) -> None:
        self._registered = Kept(read=self._read)

    @property
    def own(self) -> Resource:
        """Our own API."""
        scopes = {
            permission.value: {Locale.ENGLISH.value: permission.meaning}
            for permission in Permission
        }
        return Resource(UUID(int=0), self.issuer, "Keyfob", scopes, None, _EPOCH, _EPOCH)

    def names_own(self, identifier: str) -> bool:
        """Tell whether an identifier names our own API, in any tokens."""
        return identifier in {self.issuer, self.audience}

    async def load(self) -> None:
        """Read the resources into memory."""
        await self._registered.load()

    async def _read(self) -> dict[str, Resource]:
        found = await queries.list_resources(self.db)
        return {one.identifier: one for one in found if not self.names_own(one.identifier)}

    async def poll(self, db: Executor) -> None:
        """Read them if one has changed since the last poll, if notices are not heard."""
        polled = await queries.version_of_resources(db)
        if polled != self._polled:
            await self.load()
            self._polled = polled

    def find(self, identifier: str) -> Resource | None:
        """Return the resource with an identifier; None if there is none."""
        return self.own if identifier == self.issuer else self._registered.present.get(identifier)

    @property
    def scopes(self) -> frozenset[str]:
        """All scopes of all resources."""
        found = set(self.own.scopes)
        for resource in self._registered.present.values():
            found |= resource.scopes.keys()
        return frozenset(found)

    def parts_of(self, scope: Collection[str]) -> dict[str, frozenset[str]]:
        """Return the parts of a scope by the identifiers of those that offer them, ours first."""
        wanted = frozenset(scope)
        parts = {self.issuer: wanted & frozenset(Permission)}
        for identifier, resource in self._registered.present.items():
            parts[identifier] = wanted & resource.scopes.keys()
        return {identifier: part for identifier, part in parts.items() if part}

    async def list_all(self, db: Executor) -> Sequence[Resource]:
        """Return the present state of every registered resource, by identifier."""
        return await queries.list_resources(db)

    async def lock(self, tx: Tx, resource_id: UUID) -> Resource | None:
        """Return a resource, locked until the commit; None if there is none."""
        return await queries.lock_resource(tx, resource_id)

    async def add(self, tx: Tx, resource: Resource) -> bool:
        """Add a resource; False if there is one with that identifier."""
        if not await queries.insert_resource(tx, resource):
            return False
        await queries.announce_resources(tx)
        tx.after_commit(partial(self._registered.put, resource.identifier, resource))
        return True

    async def change(self, tx: Tx, resource: Resource) -> None:
        """Write a resource that `tx` has locked."""
        resource = resource._replace(updated_at=self.clock.now())
        await queries.update_resource(tx, resource)
        await queries.announce_resources(tx)
        tx.after_commit(partial(self._registered.put, resource.identifier, resource))

    async def remove(self, tx: Tx, resource: Resource) -> None:
        """Delete a resource that `tx` has locked."""
        await queries.delete_resource(tx, resource.id)
        await queries.announce_resources(tx)
        tx.after_commit(partial(self._registered.drop, resource.identifier))
