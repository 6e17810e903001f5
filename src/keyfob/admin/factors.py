"""What an administrator does for somebody who lost every factor."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.admin.authority import Actor, Authority
from keyfob.audit.service import Audit
from keyfob.core.database import Database
from keyfob.login.pending import PendingLogins
from keyfob.mail.models import Template
from keyfob.mail.service import Mail
from keyfob.mfa.service import Factors


@dataclass(frozen=True)
class FactorReset:
    """Takes all factors from an account, so that its password alone signs in again.

    Its sessions live on. Where the role asks for a factor, the next sign-in has to add one.
    """

    db: Database
    authority: Authority
    factors: Factors
    pending: PendingLogins
    mail: Mail
    audit: Audit

    async def reset(self, actor: Actor, user_id: UUID) -> int:
        """Remove all factors and recovery codes, tell the owner, and return how many factors.

        Raises:
            UserNotFound: there is none with that id.
            Unauthenticated, Forbidden: as `Authority.hold` says.
            InsufficientAuthentication: the sign-in is old.
        """
        async with self.db.begin() as tx:
            # Held first: a sign-in that shows a factor now comes before, or finds none.
            await self.authority.hold(tx, actor, user_id)
            await self.authority.ensure_recent(tx, actor)
            removed = await self.factors.remove_all(tx, user_id)
            await self.pending.kill(tx, user_id)
            if removed:
                await self.mail.tell(tx, user_id, Template.FACTORS_RESET)
                await self.audit.record(
                    tx,
                    action="factors.reset",
                    actor_id=actor.user_id,
                    target_id=user_id,
                    old={"factors": removed},
                    origin=actor.origin,
                )
        return removed
