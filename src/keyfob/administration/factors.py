"""What an administrator does for somebody who lost every factor."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from keyfob.administration.authority import Actor, Authority
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.core.database import Database
from keyfob.mail.models import Template
from keyfob.mail.service import Mail
from keyfob.mfa.errors import LastFactor
from keyfob.mfa.service import Factors
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions


@dataclass(frozen=True, kw_only=True)
class FactorReset:
    """Takes all factors from an account, so that its password alone signs in again.

    Its sessions end. Threat: who stole a factor is in one of them, and adds another there. Where
    the role asks for a factor (`roles`), the next sign-in has to add one.
    """

    db: Database
    authority: Authority
    factors: Factors
    sessions: Sessions
    roles: Collection[str]
    mail: Mail
    audit: Audit

    async def reset(self, actor: Actor, user_id: UUID) -> int:
        """Remove all factors and recovery codes, tell the owner, and return how many factors.

        Raises:
            UserNotFound: there is none with that id.
            Unauthenticated, Forbidden: as `Authority.lock` says.
            InsufficientAuthentication: the sign-in is old.
            LastFactor: it is the actor's own, whose role must have one.
        """
        async with self.db.begin() as tx:
            # Locked first: a sign-in that shows a factor now comes before, or finds none.
            account = await self.authority.lock(tx, actor, user_id)
            await self.authority.ensure_recent(tx, actor)
            if user_id == actor.user_id and account.role in self.roles:
                raise LastFactor
            removed = await self.factors.remove_all(tx, user_id)
            ended = await self.sessions.end_all(tx, user_id, EndReason.FACTORS_RESET)
            if removed:
                await self.mail.tell(tx, user_id, Template.FACTORS_RESET)
            if removed or ended:
                await self.audit.record(
                    tx,
                    action=Event.FACTORS_RESET,
                    actor_id=actor.user_id,
                    target_id=user_id,
                    old={"factors": removed, "sessions": ended},
                    source=actor.source,
                )
        return removed
