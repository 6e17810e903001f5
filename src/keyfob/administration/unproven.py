"""Accounts that nobody has proven to be theirs: who they are, and vouching for one."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.administration import queries
from keyfob.administration.authority import Actor, Authority
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.core.database import Database
from keyfob.core.telemetry import mask_email
from keyfob.devices.source import Source
from keyfob.proof.service import Proofs, Prover

_MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Unproven:
    """Lists what an older release let unproven accounts have, and marks an address as proven."""

    db: Database
    authority: Authority
    proofs: Proofs
    audit: Audit

    async def vouch(self, actor: Actor, user_id: UUID) -> bool:
        """Write that an address is proven, on the word of whoever asks; False if it was already.

        Whoever is in the account stays, with all that there is.

        Raises:
            UserNotFound: there is none with that id.
        """
        async with self.db.begin() as tx:
            account = await self.authority.lock(tx, actor, user_id)
            if account.is_verified:
                return False
            source = actor.source or Source(None, "")
            await self.proofs.prove(tx, account, Prover.KNOWS_THE_ACCOUNT, source)
            await self.audit.record(
                tx,
                action=Event.USER_VOUCHED_FOR,
                actor_id=actor.user_id,
                target_id=user_id,
                new={"email": mask_email(account.email.normal)},
                source=actor.source,
            )
        return True

    async def with_factors(self) -> tuple[int, list[str]]:
        """Count the unproven accounts with a second factor, and return the first addresses."""
        return await queries.list_unproven_with_factor(self.db, _MOST_NAMED)

    async def above_user(self) -> tuple[int, list[str]]:
        """Count those that registered themselves and have a role, likewise."""
        return await queries.list_unproven_above_user(self.db, _MOST_NAMED)
