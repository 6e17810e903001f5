"""Erasing a person: at their own wish after a time of grace, or by an administrator at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.core.authority import Caller
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.origin import Origin
from keyfob.login.log import LoginLog
from keyfob.mail.models import Recipient, Template
from keyfob.mail.service import Mail
from keyfob.mfa.stepup import FactorStepUp
from keyfob.sessions.devices import origin_in_words
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions
from keyfob.sessions.standing import Standing
from keyfob.users import locks
from keyfob.users.errors import LastAdmin
from keyfob.users.models import Account
from keyfob.users.own import OwnAccounts
from keyfob.users.service import Users

log = structlog.get_logger("keyfob.erasure")

_BATCH = 100


@dataclass(frozen=True)
class Erasure:
    """Takes everything personal out of the database."""

    users: Users
    sessions: Sessions
    log: LoginLog
    mail: Mail
    audit: Audit

    async def erase(self, tx: Tx, person: Account) -> None:
        """Erase a person, whose account is locked with the administrators; record it after this.

        The row of the account takes with it what hangs on it: sessions, factors, codes, links,
        queued mails. What happened stays in both logs, of nobody. The last word goes to the
        address, in a mail that belongs to no account and is given up after two days.

        Raises:
            LastAdmin: nobody would be left to administer.
        """
        await self.sessions.end_all(tx, person.id, EndReason.DELETED)
        await self.users.delete(tx, person)
        await self.log.erase_person(tx, person.id)
        await self.audit.erase_person(tx, person.id)
        to = Recipient(person.email.typed, person.locale, proven=person.is_verified)
        await self.mail.send(tx, to, Template.ERASED)


@dataclass(frozen=True)
class OwnErasure:
    """Plans the erasure that a user asked for, takes it back, and does it when it is due.

    `grace` is the time in which it can be taken back; sessions go on meanwhile.
    """

    db: Database
    accounts: OwnAccounts
    standing: Standing
    step_up: FactorStepUp
    erasure: Erasure
    mail: Mail
    audit: Audit
    clock: Clock
    grace: timedelta

    async def plan(self, caller: Caller, origin: Origin) -> datetime:
        """Plan the caller's erasure and return its time; asked again, it stays as planned.

        Raises:
            LastAdmin: nobody would be left to administer.
            InsufficientAuthentication, Unauthenticated: as `FactorStepUp.ensure_standing` says.
        """
        user_id = caller.user_id
        async with self.db.begin() as tx:
            await self.step_up.ensure_standing(tx, caller, with_admins=True)
            plan = await self.accounts.plan_erasure(tx, user_id, self.clock.now() + self.grace)
            erase_at = plan.erase_at
            if plan.is_new:
                told = {**origin_in_words(origin), "erase_at": erase_at}
                await self.mail.tell(tx, user_id, Template.ERASURE_PLANNED, told)
                await self._record(
                    tx,
                    Event.USER_ERASURE_PLANNED,
                    user_id,
                    origin,
                    {"erase_at": erase_at.isoformat()},
                )
        return erase_at

    async def cancel(self, caller: Caller, origin: Origin) -> None:
        """Let the caller's account stay; nothing where it was not to be erased.

        Raises:
            Unauthenticated: as `Standing.ensure` says; perhaps it is erased this moment.
            InsufficientAuthentication: it has a factor, which this session has not shown.
        """
        user_id = caller.user_id
        async with self.db.begin() as tx:
            await self.standing.ensure(tx, caller)
            await self.step_up.ensure_factor(tx, caller)
            if await self.accounts.cancel_erasure(tx, user_id):
                await self.mail.tell(
                    tx, user_id, Template.ERASURE_CANCELLED, origin_in_words(origin)
                )
                await self._record(tx, Event.USER_ERASURE_CANCELLED, user_id, origin, {})

    async def erase_due(self) -> None:
        """Erase whose time has come, each in its own transaction; several workers may do so."""
        due = True
        while due:
            ids = await self.accounts.list_due(self.db, _BATCH)
            erased = [user_id for user_id in ids if await self._erase_if_due(user_id)]
            # All of a full batch: there may be more. Fewer: the others wait for the next time.
            due = len(erased) == _BATCH

    async def _erase_if_due(self, user_id: UUID) -> bool:
        try:
            async with self.db.begin() as tx:
                person = await locks.lock_with_admins(tx, user_id)
                # None: another worker was first. Asked of the row that is locked: a wish to stay
                # that came before is heard.
                if person is None or not person.is_to_be_erased(self.clock.now()):
                    return False
                await self.erasure.erase(tx, person)
                was = {"role": person.role, "status": person.status}
                await self.audit.record(
                    tx, action=Event.USER_ERASED, actor_id=None, target_id=user_id, old=was
                )
        except LastAdmin:
            log.warning("last_admin_not_erased", user_id=str(user_id))
            return False
        log.info("account_erased", user_id=str(user_id))
        return True

    async def _record(
        self, tx: Tx, action: Event, user_id: UUID, origin: Origin, new: dict[str, str]
    ) -> None:
        await self.audit.record(
            tx, action=action, actor_id=user_id, target_id=user_id, new=new, origin=origin
        )
