"""Administration of the further roles: defining and giving them, and explaining permissions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from keyfob.accounts.errors import UnprovenRole
from keyfob.accounts.models import Account, Status
from keyfob.accounts.service import Accounts
from keyfob.administration.authority import Actor, Authority, Powers
from keyfob.administration.errors import RoleInUse, RoleNotFound, RoleTaken, UnknownRole
from keyfob.administration.models import merged
from keyfob.audit.events import Event
from keyfob.authority.models import OF_ROLE, GivenRole, Permission, RoleDefinition, User
from keyfob.authority.roles import Roles
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.problems import ensure_to_come
from keyfob.sessions.claims import SessionClaims

_MOST_NAMED = 10


class Why(NamedTuple):
    """A permission that a user has or lacks, and the roles that give it, with their ends.

    A blocked account has no permissions, whatever its roles.
    """

    permission: str
    held: bool
    status: Status
    roles: Sequence[tuple[str, datetime | None]]


@dataclass(frozen=True, kw_only=True)
class RoleAdministration:
    """Defines the further roles, and gives them to users permanently or until a moment.

    A person needs a recent sign-in for every change. Nobody can define or give a role with a
    permission that they lack, or for longer than they have it themselves, nor take one away from a
    user with more permissions.
    """

    db: Database
    roles: Roles
    accounts: Accounts
    claims: SessionClaims
    authority: Authority
    clock: Clock

    async def list_all(self) -> Sequence[RoleDefinition]:
        """Return every further role, by name."""
        return await self.roles.list_all()

    async def create(self, actor: Actor, name: str, permissions: Collection[str]) -> RoleDefinition:
        """Define a role.

        Raises:
            RoleTaken: there is one with that name.
            InsufficientAuthentication: the sign-in is not recent.
            Unauthenticated, Forbidden: see `Authority.ensure`; the same holds below.
        """
        async with self.db.begin() as tx:
            powers = await self._ensure(tx, actor)
            powers.ensure_cover(permissions)
            if name in OF_ROLE or not await self.roles.add(tx, name, permissions):
                raise RoleTaken
            new = {"role": name, "permissions": sorted(permissions)}
            await self.authority.record(tx, actor, Event.ROLE_CREATED, None, new=new)
            return await self._lock(tx, name)

    async def change(
        self,
        actor: Actor,
        name: str,
        permissions: Collection[str],
        *,
        seen: Collection[str] | None = None,
    ) -> RoleDefinition:
        """Change the permissions of a role: here at once, elsewhere with the next refresh.

        With `seen`, only what differs from these permissions is changed: see `merged`.

        Raises:
            RoleNotFound: there is none with that name.
            InsufficientAuthentication: the sign-in is not recent.
        """
        async with self.db.begin() as tx:
            powers = await self._ensure(tx, actor)
            before = await self._lock(tx, name)
            if seen is not None:
                permissions = frozenset(merged(before.permissions, seen, permissions))
            powers.ensure_cover({*before.permissions, *permissions})
            # Others may have the role for longer than the actor holds what is added.
            powers.ensure_outlast(frozenset(permissions) - frozenset(before.permissions), None)
            await self.roles.change(tx, name, permissions)
            old = {"role": name, "permissions": sorted(before.permissions)}
            new = {"role": name, "permissions": sorted(permissions)}
            await self.authority.record(tx, actor, Event.ROLE_CHANGED, None, old, new)
            return await self._lock(tx, name)

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete a role that no user has.

        Raises:
            RoleNotFound: there is none with that name.
            RoleInUse: users have it.
            InsufficientAuthentication: the sign-in is not recent.
        """
        async with self.db.begin() as tx:
            powers = await self._ensure(tx, actor)
            role = await self._lock(tx, name)
            powers.ensure_cover(role.permissions)
            if holders := await self.roles.list_holders(tx, name, _MOST_NAMED):
                raise RoleInUse(extra={"user_ids": [str(user_id) for user_id in holders]})
            await self.roles.remove(tx, name)
            old = {"role": name, "permissions": sorted(role.permissions)}
            await self.authority.record(tx, actor, Event.ROLE_DELETED, None, old)

    async def list_given(self, user_id: UUID) -> list[GivenRole]:
        """Return the further roles that a user has now.

        Raises:
            UserNotFound: there is none with that id.
        """
        await self.accounts.get_profile(user_id)
        return await self.roles.list_given(self.db, user_id)

    async def give(
        self,
        actor: Actor,
        user_id: UUID,
        name: str,
        expires_at: datetime | None,
        *,
        anew: bool = True,
    ) -> GivenRole:
        """Give a user a role, or change the end of one that the user has.

        With `anew=False`, only the end of a role that the user has.

        Raises:
            InvalidInput: the end has passed.
            UserNotFound: there is none with that id.
            UnknownRole: there is none of that name.
            RoleNotFound: the user does not have it.
            UnprovenRole: nobody knows whose the account is (`Account.owner_is_unknown`).
            InsufficientAuthentication: the sign-in is not recent.
        """
        ensure_to_come(expires_at, self.clock.now())
        async with self.db.begin() as tx:
            account, powers = await self._lock_user(tx, actor, user_id)
            if account.owner_is_unknown:
                raise UnprovenRole
            if not anew and name not in await self._names_given(tx, user_id):
                raise RoleNotFound
            role = await self.roles.lock(tx, name)
            if role is None:
                raise UnknownRole
            powers.ensure_cover(role.permissions)
            # Other services read the names of roles, whose definitions may permit nothing here.
            powers.ensure_outlast({Permission.ROLES_WRITE, *role.permissions}, expires_at)
            await self.roles.give(tx, user_id, name, given_by=actor.user_id, expires_at=expires_at)
            await self.claims.change_roles(tx, user_id, account.role)
            ends = expires_at.isoformat() if expires_at else None
            new = {"role": name, "expires_at": ends}
            await self.authority.record(tx, actor, Event.USER_ROLE_GIVEN, user_id, new=new)
        return GivenRole(name, self.clock.now(), actor.user_id, expires_at)

    async def _names_given(self, tx: Tx, user_id: UUID) -> set[str]:
        return {one.role for one in await self.roles.list_given(tx, user_id)}

    async def take(self, actor: Actor, user_id: UUID, name: str) -> None:
        """Take a role away from a user, at once.

        Raises:
            UserNotFound: there is none with that id.
            RoleNotFound: the user does not have it.
            InsufficientAuthentication: the sign-in is not recent.
        """
        async with self.db.begin() as tx:
            account, _ = await self._lock_user(tx, actor, user_id)
            if not await self.roles.take(tx, user_id, name):
                raise RoleNotFound
            await self.claims.change_roles(tx, user_id, account.role)
            await self.authority.record(tx, actor, Event.USER_ROLE_TAKEN, user_id, {"role": name})

    async def why(self, user_id: UUID, permission: str) -> Why:
        """Return whether a user has a permission, and the roles that give it.

        Raises:
            UserNotFound: there is none with that id.
        """
        profile = await self.accounts.get_profile(user_id)
        await self.roles.load()  # the command line does not hear of changes
        given = await self.roles.list_given(self.db, user_id)
        found = self.roles.sources_of(profile.role, given).get(permission, [])
        held = bool(found) and profile.status == Status.ACTIVE
        return Why(permission, held, Status(profile.status), found)

    async def _ensure(self, tx: Tx, actor: Actor) -> Powers:
        powers = await self.authority.ensure(tx, actor, Permission.ROLES_WRITE)
        await self._ensure_recent(tx, actor)
        return powers

    async def _ensure_recent(self, tx: Tx, actor: Actor) -> None:
        if isinstance(actor.caller, User):
            await self.authority.ensure_recent(tx, actor)

    async def _lock_user(self, tx: Tx, actor: Actor, user_id: UUID) -> tuple[Account, Powers]:
        locked = await self.authority.lock(tx, actor, user_id, Permission.ROLES_WRITE)
        await self._ensure_recent(tx, actor)
        return locked

    async def _lock(self, tx: Tx, name: str) -> RoleDefinition:
        role = await self.roles.lock(tx, name)
        if role is None:
            raise RoleNotFound
        return role
