"""Reset of a user's factors by an administrator."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from keyfob.administration.authority import Actor, Authority
from keyfob.audit.events import Event
from keyfob.authority.models import Permission
from keyfob.core.database import Database
from keyfob.mail import mails
from keyfob.mail.service import Mail
from keyfob.mfa.errors import LastFactor
from keyfob.mfa.service import Factors
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions


@dataclass(frozen=True, kw_only=True)
class FactorReset:
    """Removes all factors of an account, so that its password alone signs in again.

    All sessions end. Threat: a thief of a factor has one of them, and would add another factor
    there. If the role requires a factor (`roles`), the next sign-in has to add one.
    """

    db: Database
    authority: Authority
    factors: Factors
    sessions: Sessions
    roles: Collection[str]
    mail: Mail

    async def reset(self, actor: Actor, user_id: UUID) -> int:
        """Remove all factors and recovery codes, tell the owner, and return the number of factors.

        Raises:
            UserNotFound: there is none with that id.
            Unauthenticated, Forbidden: see `Authority.lock`.
            InsufficientAuthentication: the sign-in is not recent.
            LastFactor: the account is the actor's own, and its role requires a factor.
        """
        async with self.db.begin() as tx:
            # Locked first: a sign-in that presents a factor now comes before, or finds none.
            account, _ = await self.authority.lock(tx, actor, user_id, Permission.USERS_WRITE)
            await self.authority.ensure_recent(tx, actor)
            if user_id == actor.user_id and account.role in self.roles:
                raise LastFactor
            removed = await self.factors.remove_all(tx, user_id)
            ended = await self.sessions.end_all(tx, user_id, EndReason.FACTORS_RESET)
            if removed:
                await self.mail.tell(tx, user_id, mails.FactorsReset())
            if removed or ended:
                await self.authority.record(
                    tx,
                    actor,
                    Event.FACTORS_RESET,
                    user_id,
                    old={"factors": removed, "sessions": ended},
                )
        return removed
