"""Who administers, and whether they may: asked in the transaction that does it."""

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
    """Who administers: a caller from somewhere, or the service itself (None)."""

    caller: User | None
    source: Source | None = None

    @property
    def user_id(self) -> UUID | None:
        """Whose deed it is in the audit log."""
        return self.caller.user_id if self.caller else None

    @property
    def share(self) -> tuple[str, ...]:
        """Whose share of the hashing it takes (`limits.clients.share_of`)."""
        return share_of(self.source.address if self.source else None, self.user_id)


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Asks of whoever administers; of the command line, whose user has the machine, nothing."""

    standing: Standing
    step_up: StepUp

    async def ensure(self, tx: Tx, actor: Actor) -> None:
        """Let pass who is an administrator still, first in the transaction.

        Raises:
            Unauthenticated, Forbidden: as `Standing.ensure` says.
        """
        if actor.caller:
            await self.standing.ensure(tx, actor.caller, role=Role.ADMIN)

    async def lock(self, tx: Tx, actor: Actor, user_id: UUID) -> Account:
        """Do as `ensure`, then lock the account that is administered, and return it.

        Raises:
            UserNotFound: there is none with that id.
            Unauthenticated, Forbidden: as `Standing.ensure` says.
        """
        await self.ensure(tx, actor)
        # Whoever administers has locked all administrators by now.
        lock = locks.lock if actor.caller else locks.lock_with_admins
        account = await lock(tx, user_id)
        if account is None:
            raise UserNotFound
        return account

    async def ensure_recent(self, tx: Tx, actor: Actor) -> None:
        """Ask for a recent sign-in, with the factor where one is set.

        Threat: whoever stole an old session of an administrator makes another administrator, and
        with it stays for good.

        Raises:
            InsufficientAuthentication: the sign-in is older, or had no factor.
        """
        if actor.caller:
            await self.step_up.ensure_recent(actor.caller, tx)

    async def ensure_recent_above_user(self, tx: Tx, actor: Actor, *roles: Role | None) -> None:
        """Do as `ensure_recent` where one of the roles, before or after, ranks above `user`.

        Raises:
            InsufficientAuthentication: as `ensure_recent` says.
        """
        if any(role and role is not Role.USER for role in roles):
            await self.ensure_recent(tx, actor)
