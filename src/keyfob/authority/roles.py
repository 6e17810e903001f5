"""The further roles: their permissions, kept in memory, and the users who have them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from keyfob.authority import queries
from keyfob.authority.models import (
    OF_ROLE,
    App,
    Client,
    GivenRole,
    Held,
    Permission,
    Role,
    RoleDefinition,
    Subject,
    User,
)
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.kept import Kept

# Permissions of a later release in a definition have no meaning here.
_KNOWN = frozenset(Permission)


@dataclass(kw_only=True)
class Roles:
    """Tells what a subject may do; a changed definition takes effect at once, in every worker.

    Permissions are never read from a token: it names roles, which are looked up here.
    """

    db: Database
    clock: Clock
    _further: Kept[frozenset[str]] = field(init=False)
    _polled: str = ""

    def __post_init__(self) -> None:
        self._further = Kept(read=self._read)

    async def load(self) -> None:
        """Read the definitions into memory."""
        await self._further.load()

    async def _read(self) -> dict[str, frozenset[str]]:
        found = await queries.list_roles(self.db)
        return {role.name: frozenset(role.permissions) for role in found}

    async def poll(self, db: Executor) -> None:
        """Read the definitions if one has changed since the last poll, if notices are not heard."""
        polled = await queries.version_of_roles(db)
        if polled != self._polled:
            await self.load()
            self._polled = polled

    def permissions_of_roles(self, names: Iterable[str]) -> frozenset[str]:
        """Return the permissions of some roles together; a deleted role has none."""
        found: frozenset[str] = frozenset()
        for name in names:
            found |= OF_ROLE.get(name) or self._further.present.get(name, frozenset())
        return found

    def permissions_of(self, subject: Subject) -> frozenset[str]:
        """Return the permissions of a subject, limited by its scope if it is a program."""
        if isinstance(subject, Client):
            return _KNOWN & frozenset(subject.scope)
        holder = subject.user if isinstance(subject, App) else subject
        permitted = self.permissions_of_roles((holder.role, *holder.roles))
        return permitted if isinstance(subject, User) else permitted & frozenset(subject.scope)

    def part_held(
        self, scope: Collection[str], role: Role, further: Collection[str]
    ) -> tuple[str, ...]:
        """Return the part of a scope that a user with these roles holds; an admin holds all.

        The scopes of other APIs too: whoever trusts a scope trusts that it was given.
        """
        if role is Role.ADMIN:
            return tuple(scope)
        held = self.permissions_of_roles((role, *further))
        return tuple(name for name in scope if name in held)

    def allows(self, subject: Subject, permission: Permission) -> bool:
        """Tell whether a subject has a permission."""
        return permission in self.permissions_of(subject)

    def sources_of(
        self, role: Role, given: Iterable[GivenRole]
    ) -> dict[str, list[tuple[str, datetime | None]]]:
        """Return what a user's roles permit: permission -> the roles that give it, and their ends.

        The permissions are in the order of their names, a role's end is None for good.
        """
        found: dict[str, list[tuple[str, datetime | None]]] = {}
        for name, ends in ((str(role), None), *((one.role, one.expires_at) for one in given)):
            for permission in self.permissions_of_roles([name]):
                found.setdefault(str(permission), []).append((name, ends))
        return dict(sorted(found.items()))

    def names(self) -> list[str]:
        """Return the names of the further roles, from memory."""
        return sorted(self._further.present)

    async def list_all(self) -> Sequence[RoleDefinition]:
        """Return every further role, by name."""
        return await queries.list_roles(self.db)

    async def lock(self, tx: Tx, name: str) -> RoleDefinition | None:
        """Return a role, locked until the commit; None if there is none with that name."""
        return await queries.lock_role(tx, name)

    async def add(self, tx: Tx, name: str, permissions: Collection[str]) -> bool:
        """Define a role; False if there is one of that name."""
        if not await queries.insert_role(tx, name, sorted(permissions), self.clock.now()):
            return False
        await self._announce(tx, name, permissions)
        return True

    async def change(self, tx: Tx, name: str, permissions: Collection[str]) -> None:
        """Change the permissions of a role that `tx` has locked."""
        await queries.update_role(tx, name, sorted(permissions), self.clock.now())
        await self._announce(tx, name, permissions)

    async def remove(self, tx: Tx, name: str) -> None:
        """Delete a role that `tx` has locked and that nobody has."""
        await queries.delete_role(tx, name, self.clock.now())
        await queries.announce(tx)
        tx.after_commit(partial(self._further.drop, name))

    async def _announce(self, tx: Tx, name: str, permissions: Collection[str]) -> None:
        await queries.announce(tx)
        tx.after_commit(partial(self._further.put, name, frozenset(permissions)))

    async def list_holders(self, db: Executor, name: str, at_most: int) -> list[UUID]:
        """Return users who have a role now, at most `at_most`."""
        return await queries.list_holders(db, name, self.clock.now(), at_most)

    async def list_given(self, db: Executor, user_id: UUID) -> list[GivenRole]:
        """Return the further roles that a user has now, by name."""
        return await queries.list_given(db, user_id, self.clock.now())

    async def permissions_given(self, tx: Tx, user_id: UUID, role: Role) -> Held:
        """Return what the role of an account that `tx` holds permits, and its further roles.

        Read from the tables. Threat: the definitions in memory are a moment behind, in which a
        permission that was taken away would still do something.
        """
        further = await queries.permissions_given(tx, user_id, self.clock.now())
        return {**further, **dict.fromkeys(OF_ROLE[role])}

    async def give(
        self,
        tx: Tx,
        user_id: UUID,
        role: str,
        *,
        given_by: UUID | None,
        expires_at: datetime | None,
    ) -> None:
        """Give a role to a user whose account is locked; `SessionClaims` updates the sessions."""
        await queries.give_role(
            tx,
            user_id,
            role,
            given_by=given_by,
            expires_at=expires_at,
            now=self.clock.now(),
        )

    async def take(self, tx: Tx, user_id: UUID, role: str) -> bool:
        """Take a role away, with the same lock; False if the user did not have it."""
        return await queries.take_role(tx, user_id, role)

    async def clean_up(self) -> None:
        """Delete roles of users that have ended."""
        await in_batches(partial(queries.delete_expired, self.db, self.clock.now()))
