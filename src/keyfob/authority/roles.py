"""The further roles: what each permits, held in memory, and who was given which until when."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from keyfob.authority import queries
from keyfob.authority.models import (
    OF_ROLE,
    ApiKey,
    Client,
    GivenRole,
    Permission,
    RoleDefinition,
    Subject,
)
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx

# A definition in memory that names a permission of a later release says nothing here.
_KNOWN = frozenset(Permission)


@dataclass(kw_only=True)
class Roles:
    """Tells what a subject may do; a definition that changes acts at once, in every worker.

    The permissions are never read from a token: it names roles, and they are looked up here.
    """

    db: Database
    clock: Clock
    _further: dict[str, frozenset[str]] = field(default_factory=dict)
    _polled: tuple[int, datetime | None] = (0, None)

    async def load(self) -> None:
        """Read the definitions into memory."""
        self._further = {
            role.name: frozenset(role.permissions) for role in await queries.list_roles(self.db)
        }

    async def poll(self, db: Executor) -> None:
        """Read the definitions if one has changed since the last poll: where nothing is heard."""
        polled = await queries.version_of_roles(db)
        if polled != self._polled:
            await self.load()
            self._polled = polled

    def permissions_of_roles(self, names: Iterable[str]) -> frozenset[str]:
        """Return what some roles permit together; a role that is gone permits nothing."""
        found: frozenset[str] = frozenset()
        for name in names:
            found |= OF_ROLE.get(name) or self._further.get(name, frozenset())
        return found

    def permissions_of(self, subject: Subject) -> frozenset[str]:
        """Return what a subject may do, within its scope if it is a program."""
        if isinstance(subject, Client):
            return _KNOWN & frozenset(subject.scope)
        permitted = self.permissions_of_roles((subject.role, *subject.roles))
        return permitted & frozenset(subject.scope) if isinstance(subject, ApiKey) else permitted

    def allows(self, subject: Subject, permission: Permission) -> bool:
        """Tell whether a subject has a permission."""
        return permission in self.permissions_of(subject)

    async def list_all(self) -> Sequence[RoleDefinition]:
        """Return every further role by its name."""
        return await queries.list_roles(self.db)

    async def lock(self, tx: Tx, name: str) -> RoleDefinition | None:
        """Return a role and hold it until the commit; None if there is none of that name."""
        return await queries.lock_role(tx, name)

    async def add(self, tx: Tx, name: str, permissions: Collection[str]) -> bool:
        """Define a role; False if there is one of that name."""
        added = await queries.insert_role(tx, name, sorted(permissions), self.clock.now())
        await self._announce(tx, name, permissions)
        return added

    async def change(self, tx: Tx, name: str, permissions: Collection[str]) -> None:
        """Give a role that `tx` holds other permissions."""
        await queries.update_role(tx, name, sorted(permissions), self.clock.now())
        await self._announce(tx, name, permissions)

    async def remove(self, tx: Tx, name: str) -> None:
        """Remove a role that `tx` holds, and that nobody has."""
        await queries.delete_role(tx, name)
        await self._announce(tx, name, ())

    async def _announce(self, tx: Tx, name: str, permissions: Collection[str]) -> None:
        await queries.announce(tx)
        tx.after_commit(partial(self._further.__setitem__, name, frozenset(permissions)))

    async def list_holders(self, db: Executor, name: str, at_most: int) -> list[UUID]:
        """Return users who were given a role, `at_most` of them."""
        return await queries.list_holders(db, name, at_most)

    async def list_given(self, db: Executor, user_id: UUID) -> list[GivenRole]:
        """Return the further roles that a user has now, by their names."""
        return await queries.list_given(db, user_id, self.clock.now())

    async def give(
        self,
        tx: Tx,
        user_id: UUID,
        role: str,
        *,
        given_by: UUID | None,
        expires_at: datetime | None,
    ) -> None:
        """Give a role to a user whose account `tx` holds; `SessionClaims` tells the sessions."""
        await queries.give_role(
            tx,
            user_id,
            role,
            given_by=given_by,
            expires_at=expires_at,
            now=self.clock.now(),
        )

    async def take(self, tx: Tx, user_id: UUID, role: str) -> bool:
        """Take a role away, as `give`; False if the user has not had it."""
        return await queries.take_role(tx, user_id, role)

    async def take_all(self, tx: Tx, user_id: UUID) -> None:
        """Take every further role away from a user whose account goes."""
        await queries.take_all(tx, user_id)

    async def clean_up(self) -> None:
        """Delete what has ended."""
        await in_batches(partial(queries.delete_expired, self.db, self.clock.now()))
