"""The authority of an administrator, checked in the transaction that makes the change."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from keyfob.accounts import locks
from keyfob.accounts.errors import UserNotFound
from keyfob.accounts.models import Account
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import (
    OF_ROLE,
    App,
    Held,
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
    """The one who administers: a subject with its source, or None for the service itself."""

    caller: Subject | None
    source: Source | None = None

    @property
    def user_id(self) -> UUID | None:
        """The id of the actor for the audit log: a user's, or a client's."""
        return id_of(self.caller) if self.caller else None

    @property
    def share(self) -> tuple[str, ...]:
        """The share of the hashing queue that the actor's work counts for (`share_of`)."""
        return share_of(self.source.address if self.source else None, self.user_id)


class Powers(NamedTuple):
    """The rights that an administrator may give to others, or change of others.

    `role` is the highest role that they may give; with `admin` they have all rights, for good.
    """

    role: Role
    permissions: Held

    @property
    def vouches(self) -> bool:
        """Tell whether the actor's word says whose an address is: an administrator's."""
        return self.role is Role.ADMIN

    def ensure_cover(self, permissions: Collection[str], role: Role = Role.USER) -> None:
        """Check that these powers cover some permissions and a role.

        Raises:
            Forbidden: nobody may give rights that they lack, or change an account with more rights.
        """
        asked = frozenset(permissions) - OF_ROLE[Role.USER]
        holds = self.role is Role.ADMIN or self.permissions.keys() >= asked
        if not (holds and self.role.includes(role)):
            raise Forbidden

    def ensure_outlast(self, permissions: Collection[str], end: datetime | None) -> None:
        """Check that permissions which these powers cover are held until `end`; None for good.

        Threat: a role that ends, and that its holder gives to themselves again, or to a program.

        Raises:
            Forbidden: one of them is held for a shorter time.
        """
        for own in map(self.permissions.get, permissions):
            if self.role is not Role.ADMIN and own and (end is None or end > own):
                raise Forbidden("Your own role with these permissions ends sooner")


_OF_THE_MACHINE = Powers(Role.ADMIN, {})


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Checks administrators, and records their changes.

    The command line is not checked: its user has the machine.

    `programs` checks service accounts, API keys and apps, by the type of the subject.
    """

    standing: Standing
    step_up: StepUp
    programs: Mapping[type[Subject], ProgramStanding]
    audit: Audit

    async def ensure(self, tx: Tx, actor: Actor, permission: Permission) -> Powers:
        """Return the powers of an actor who still has a permission; first in the transaction.

        Threat: whoever signed in with a stolen password of an administrator, before a factor was
        added, would take over the accounts of others.

        Raises:
            Unauthenticated, Forbidden: see `Standing.ensure`.
            InsufficientAuthentication: the actor, or the user of an app, has a factor, and this
                sign-in did not use it.
        """
        caller = actor.caller
        if caller is None:
            # Threat: an administrator undoes what is just being taken from them: one comes first.
            await locks.lock_admins(tx)
            return _OF_THE_MACHINE
        if isinstance(caller, User):
            account = await self.standing.ensure(tx, caller, permission=permission)
            await self.step_up.ensure_factor(caller, tx)
            return Powers(account.role, await self.standing.permissions_of(tx, account))
        # Before the program's own rows, which a user who administers locks after it.
        await locks.lock_admins(tx)
        # Accounts above `user` are reserved for people who have just signed in.
        powers = Powers(Role.USER, await self.programs[type(caller)].permissions_of(tx, caller))
        if permission not in powers.permissions:
            raise Forbidden
        return powers

    async def lock(
        self, tx: Tx, actor: Actor, user_id: UUID, permission: Permission
    ) -> tuple[Account, Powers]:
        """Check as `ensure` does, then lock the account that is administered, and return it.

        Raises:
            UserNotFound: there is none with that id.
            Unauthenticated, Forbidden, InsufficientAuthentication: see `ensure`; or the account has
                more rights than the actor, or has them for longer; or a further role, which the
                actor could not give for as long.
        """
        powers = await self.ensure(tx, actor, permission)
        account = await locks.lock(tx, user_id)  # the administrators are locked already
        if account is None:
            raise UserNotFound
        held = await self.standing.permissions_of(tx, account)
        powers.ensure_cover(held, account.role)
        if user_id != actor.user_id or not isinstance(actor.caller, User):
            # Threat: whoever has a right for a day takes over who has it for good; the finder of a
            # key takes rights from its user.
            for name in held.keys() - OF_ROLE[Role.USER]:
                powers.ensure_outlast([name], held[name])
            # Other services read the names of roles, whose definitions may permit nothing here.
            for given in await self.standing.roles_of(tx, account):
                powers.ensure_cover({Permission.ROLES_WRITE})
                powers.ensure_outlast({Permission.ROLES_WRITE}, given.expires_at)
        return account, powers

    async def ensure_recent(self, tx: Tx, actor: Actor) -> None:
        """Require a recent sign-in, with a factor if the actor has one.

        Threat: a thief of an administrator's old session makes another administrator of their own,
        and stays for good.

        Raises:
            InsufficientAuthentication: the sign-in is older, or had no factor.
            Forbidden: the actor is a program, which cannot sign in.
        """
        if isinstance(actor.caller, User):
            await self.step_up.ensure_recent(actor.caller, tx)
        elif actor.caller:
            raise Forbidden

    async def ensure_recent_above_user(
        self, tx: Tx, actor: Actor, account: Account | None, role: Role | None = None
    ) -> None:
        """Require a recent sign-in for a locked account, or a new role, with more than `user` has.

        Each further role is more, whatever it permits here. Threat: a thief of an administrator's
        old session takes over whoever has one, and signs in as them, here or at another service.

        Raises:
            InsufficientAuthentication, Forbidden: see `ensure_recent`.
        """
        ranks_above = bool({role, account and account.role} - {None, Role.USER})
        if ranks_above or (account and await self.standing.roles_of(tx, account)):
            await self.ensure_recent(tx, actor)

    async def record(
        self,
        tx: Tx,
        actor: Actor,
        action: Event,
        target_id: UUID | None,
        old: dict[str, Any] | None = None,
        new: dict[str, Any] | None = None,
    ) -> UUID:
        """Append what an actor did to the audit log; call it last, as `Audit.record` says."""
        caller = actor.caller
        # Else it would read as if the user had done it.
        by_app = {"by_app": str(caller.client_id)} if isinstance(caller, App) else {}
        return await self.audit.record(
            tx,
            action=action,
            actor_id=actor.user_id,
            target_id=target_id,
            old=old,
            new={**(new or {}), **by_app},
            source=actor.source,
        )
