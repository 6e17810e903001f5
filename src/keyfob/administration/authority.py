"""The authority of an administrator, checked in the transaction that makes the change."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.accounts import locks
from keyfob.accounts.errors import UserNotFound
from keyfob.accounts.models import Account
from keyfob.authority.models import Role, StepUp, User
from keyfob.core.addresses import share_of
from keyfob.core.database import Tx
from keyfob.devices.source import Source
from keyfob.sessions.standing import Standing


@dataclass(frozen=True)
class Actor:
    """The one who administers: a signed-in caller, or None for the service itself."""

    caller: User | None
    source: Source | None = None

    @property
    def user_id(self) -> UUID | None:
        """The id of the actor, for the audit log."""
        return self.caller.user_id if self.caller else None

    @property
    def share(self) -> tuple[str, ...]:
        """The share of the hashing queue that the actor's work counts for (`share_of`)."""
        return share_of(self.source.address if self.source else None, self.user_id)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Checks administrators. The command line is not checked: its user has the machine."""

    standing: Standing
    step_up: StepUp

    async def ensure(self, tx: Tx, actor: Actor) -> None:
        """Check that the actor is still an administrator; to be called first in the transaction.

        Raises:
            Unauthenticated, Forbidden: see `Standing.ensure`.
        """
        if actor.caller:
            await self.standing.ensure(tx, actor.caller, role=Role.ADMIN)

    async def lock(self, tx: Tx, actor: Actor, user_id: UUID) -> Account:
        """Check as `ensure` does, then lock the account that is administered, and return it.

        Raises:
            UserNotFound: there is none with that id.
            Unauthenticated, Forbidden: see `Standing.ensure`.
        """
        await self.ensure(tx, actor)
        # `ensure` has locked the administrators for a caller, but not for the command line.
        lock = locks.lock if actor.caller else locks.lock_with_admins
        account = await lock(tx, user_id)
        if account is None:
            raise UserNotFound
        return account

    async def ensure_recent(self, tx: Tx, actor: Actor) -> None:
        """Require a recent sign-in, with a factor if the actor has one.

        Threat: a thief of an administrator's old session makes another administrator of their own,
        and stays for good.

        Raises:
            InsufficientAuthentication: the sign-in is older, or had no factor.
        """
        if actor.caller:
            await self.step_up.ensure_recent(actor.caller, tx)

    async def ensure_recent_above_user(self, tx: Tx, actor: Actor, *roles: Role | None) -> None:
        """Require a recent sign-in if one of the roles, before or after, ranks above `user`.

        Raises:
            InsufficientAuthentication: see `ensure_recent`.
        """
        if any(role and role is not Role.USER for role in roles):
            await self.ensure_recent(tx, actor)
