"""Accounts whose owner has never proven the address: list them, and vouch for one."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.administration import queries
from keyfob.administration.authority import Actor, Authority
from keyfob.audit.events import Event
from keyfob.authority.models import Permission
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.telemetry import mask_email
from keyfob.devices.source import Source
from keyfob.proof.service import Proofs, Prover

_MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Unproven:
    """Lists rights that older releases gave to unproven accounts; marks addresses as verified."""

    db: Database
    authority: Authority
    proofs: Proofs
    clock: Clock

    async def vouch(self, actor: Actor, user_id: UUID) -> bool:
        """Mark an address as verified on the actor's word; False if it was verified already.

        The account keeps its sessions and everything else.

        Raises:
            UserNotFound: there is none with that id.
        """
        async with self.db.begin() as tx:
            account, _ = await self.authority.lock(tx, actor, user_id, Permission.USERS_WRITE)
            if account.is_verified:
                return False
            source = actor.source or Source(None, "")
            await self.proofs.prove(tx, account, Prover.KNOWS_THE_ACCOUNT, source)
            await self.authority.record(
                tx,
                actor,
                Event.USER_VOUCHED_FOR,
                user_id,
                new={"email": mask_email(account.email.normal)},
            )
        return True

    async def with_factors(self) -> tuple[int, list[str]]:
        """Count the unproven accounts with a second factor, and return the first addresses."""
        return await queries.list_unproven_with_factor(self.db, _MOST_NAMED)

    async def signed_in(self) -> tuple[int, list[str]]:
        """Count the accounts with an unverified address that are signed in, likewise."""
        return await queries.list_unverified_signed_in(self.db, self.clock.now(), _MOST_NAMED)

    async def above_user(self) -> tuple[int, list[str]]:
        """Count the unproven accounts above `user` that registered themselves, likewise."""
        return await queries.list_unproven_above_user(self.db, self.clock.now(), _MOST_NAMED)
