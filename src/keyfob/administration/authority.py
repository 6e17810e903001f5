"""The authority of an administrator, checked in the transaction that makes the change."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from keyfob.accounts import locks
from keyfob.accounts.errors import UserNotFound
from keyfob.accounts.models import Account
from keyfob.authority.models import (
    Permission,
    ProgramStanding,
    Role,
    StepUp,
    Subject,
    User,
    id_of,
)
from keyfob.core.addresses import share_of
from keyfob.core.database import Tx
from keyfob.core.problems import Forbidden
from keyfob.devices.source import Source
from keyfob.sessions.standing import Standing


@dataclass(frozen=True)
class Actor:
    """Who administers: a subject from somewhere, or the service itself (None)."""

    caller: Subject | None
    source: Source | None = None

    @property
    def user_id(self) -> UUID | None:
        """Whose deed it is in the audit log: a user's, or a client's."""
        return id_of(self.caller) if self.caller else None

    @property
    def share(self) -> tuple[str, ...]:
        """The share of the hashing queue that the actor's work counts for (`share_of`)."""
        return share_of(self.source.address if self.source else None, self.user_id)


class Powers(NamedTuple):
    """What somebody who administers may give to others, or change of others.

    `role` is the highest that they may give; with `admin` they hold everything.
    """

    role: Role
    permissions: frozenset[str]

    def ensure_cover(self, permissions: Collection[str], role: Role = Role.USER) -> None:
        """Let pass what is no more than these powers.

        Raises:
            Forbidden: nobody gives what they do not hold, nor changes who holds more.
        """
        holds = self.role is Role.ADMIN or self.permissions.issuperset(permissions)
        if not (holds and self.role.includes(role)):
            raise Forbidden


_OF_THE_MACHINE = Powers(Role.ADMIN, frozenset())


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Asks of whoever administers; of the command line, whose user has the machine, nothing.

    `programs` asks of service accounts and API keys, by the type of the subject.
    """

    standing: Standing
    step_up: StepUp
    programs: Mapping[type[Subject], ProgramStanding] = field(default_factory=dict)

    async def ensure(self, tx: Tx, actor: Actor, permission: Permission) -> Powers:
        """Return the powers of an actor who has a permission still, first in the transaction.

        Raises:
            Unauthenticated, Forbidden: see `Standing.ensure`.
        """
        caller = actor.caller
        if caller is None:
            return _OF_THE_MACHINE
        if isinstance(caller, User):
            account = await self.standing.ensure(tx, caller, permission=permission)
            return Powers(account.role, await self.standing.permissions_of(tx, account))
        # Accounts above `user` are for people who have just signed in.
        powers = Powers(Role.USER, await self.programs[type(caller)].permissions_of(tx, caller))
        if permission not in powers.permissions:
            raise Forbidden
        return powers

    async def lock(
        self, tx: Tx, actor: Actor, user_id: UUID, permission: Permission
    ) -> tuple[Account, Powers]:
        """Do as `ensure`, then lock the account that is administered, and return it.

        Raises:
            UserNotFound: there is none with that id.
            Unauthenticated, Forbidden: as `Standing.ensure` says; the account holds what the actor
                does not.
        """
        powers = await self.ensure(tx, actor, permission)
        # A user who administers has locked all administrators by now.
        is_locked = isinstance(actor.caller, User)
        account = await (locks.lock if is_locked else locks.lock_with_admins)(tx, user_id)
        if account is None:
            raise UserNotFound
        powers.ensure_cover(await self.standing.permissions_of(tx, account), account.role)
        return account, powers

    async def ensure_recent(self, tx: Tx, actor: Actor) -> None:
        """Require a recent sign-in, with a factor if the actor has one.

        Threat: a thief of an administrator's old session makes another administrator of their own,
        and stays for good.

        Raises:
            InsufficientAuthentication: the sign-in is older, or had no factor.
            Forbidden: it is a program, which never signs in.
        """
        if isinstance(actor.caller, User):
            await self.step_up.ensure_recent(actor.caller, tx)
        elif actor.caller:
            raise Forbidden

    async def ensure_recent_above_user(self, tx: Tx, actor: Actor, *roles: Role | None) -> None:
        """Require a recent sign-in if one of the roles, before or after, ranks above `user`.

        Raises:
            InsufficientAuthentication, Forbidden: as `ensure_recent` says.
        """
        if any(role and role is not Role.USER for role in roles):
            await self.ensure_recent(tx, actor)
