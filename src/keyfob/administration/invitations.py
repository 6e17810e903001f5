"""Links to users, sent on behalf of an administrator."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from keyfob.accounts.models import Account
from keyfob.administration.authority import Actor, Authority
from keyfob.administration.errors import UserBlocked
from keyfob.administration.letters import Letters
from keyfob.audit.events import Event
from keyfob.authority.models import Permission
from keyfob.core.database import Database, Tx
from keyfob.core.telemetry import mask_email


@dataclass(frozen=True, kw_only=True)
class Invitations:
    """Sends links for choosing a password; each is an audit event."""

    db: Database
    authority: Authority
    letters: Letters

    async def invite(self, actor: Actor, user_id: UUID) -> None:
        """Invite a user, also repeatedly; using one of the links invalidates the others.

        Raises:
            UserNotFound: there is none with that id.
            UserBlocked: the account is blocked, so the link could not be used.
            Unauthenticated, Forbidden: see `Authority.lock`.
            InsufficientAuthentication: the account has more rights than `user`, and the sign-in is
                not recent.
        """
        await self._send(actor, user_id, self.letters.invite, Event.USER_INVITED)

    async def start_recovery(self, actor: Actor, user_id: UUID) -> None:
        """Send a link for choosing a new password; until it is used, the old password stays.

        Raises:
            UserNotFound: there is none with that id.
            UserBlocked: the account is blocked, so the link could not be used.
            Unauthenticated, Forbidden: see `Authority.lock`.
            InsufficientAuthentication: the account has more rights than `user`, and the sign-in is
                not recent.
        """
        await self._send(actor, user_id, self.letters.start_recovery, Event.USER_RECOVERY_STARTED)

    async def _send(
        self,
        actor: Actor,
        user_id: UUID,
        write: Callable[[Tx, Account], Awaitable[None]],
        action: Event,
    ) -> None:
        async with self.db.begin() as tx:
            account, _ = await self.authority.lock(tx, actor, user_id, Permission.USERS_WRITE)
            await self.authority.ensure_recent_above_user(tx, actor, account)
            if not account.is_active:
                raise UserBlocked
            await write(tx, account)
            await self.authority.record(
                tx, actor, action, user_id, new={"email": mask_email(account.email.normal)}
            )
