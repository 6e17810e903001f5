"""Waiting sign-ups: they give way to an owner of the address, and are removed after a while."""

from dataclasses import dataclass
from uuid import UUID

import structlog

from keyfob.accounts import locks
from keyfob.accounts.credentials import Credentials
from keyfob.accounts.email import Email
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.core.database import Database, Tx
from keyfob.login_log.service import LoginLog
from keyfob.one_time_tokens.service import KEPT_AFTER_EXPIRY

log = structlog.get_logger("keyfob.sign_ups")

_BATCH = 100


def replaced_sign_up(user_id: UUID | None) -> dict[str, str]:
    """Return the entry of the audit log for a sign-up that gave way, if one did."""
    return {} if user_id is None else {"replaced_sign_up": str(user_id)}


@dataclass(frozen=True, kw_only=True)
class WaitingSignUps:
    """Removes waiting sign-ups.

    None of them ever had a session or a role, and nobody knows whose it is.
    """

    db: Database
    credentials: Credentials
    log: LoginLog
    audit: Audit

    async def find_owner(self, email: Email) -> UUID | None:
        """Return the account with an address; None if there is none, or only a waiting sign-up.

        A transaction that then uses the address has to call `give_way`.
        """
        found = await self.credentials.find_address_owner(email)
        if found is None or await self.credentials.is_waiting(found.id):
            return None
        return found.id

    async def give_way(self, tx: Tx, email: Email, *, but: UUID | None = None) -> UUID | None:
        """Remove the waiting sign-up with an address, and return its id, if there is one.

        For somebody who proves the address in another way, or whom an administrator names; `but` is
        the account that is to have the address. Lock every other account before, and record the id
        in the audit event that follows.
        """
        user_id = await locks.lock_waiting(tx, email)
        if user_id is None or user_id == but:
            return None
        await self.credentials.remove_waiting(tx, user_id)
        await self._forget(tx, user_id)
        return user_id

    async def remove_abandoned(self) -> None:
        """Remove sign-ups whose last link expired a week ago; several workers may do so."""
        while True:
            ids = await self.credentials.list_abandoned(KEPT_AFTER_EXPIRY, _BATCH)
            removed = [user_id for user_id in ids if await self._remove(user_id)]
            if len(removed) < _BATCH:
                return

    async def _remove(self, user_id: UUID) -> bool:
        async with self.db.begin() as tx:
            # Locked first: a link that is being issued is seen then.
            await locks.lock(tx, user_id)
            if not await self.credentials.remove_waiting(tx, user_id, dead_for=KEPT_AFTER_EXPIRY):
                return False
            await self._forget(tx, user_id)
            await self.audit.record(
                tx, action=Event.USER_SIGN_UP_REMOVED, actor_id=None, target_id=user_id
            )
        log.info("sign_up_removed", user_id=str(user_id))
        return True

    async def _forget(self, tx: Tx, user_id: UUID) -> None:
        """Leave no personal data, as the erasure of an account does."""
        await self.log.erase_person(tx, user_id)
        await self.audit.erase_person(tx, user_id)
