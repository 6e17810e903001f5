"""Erasing a person: at their own wish after a time of grace, or by an administrator at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from keyfob.accounts import locks
from keyfob.accounts.errors import LastAdmin
from keyfob.accounts.models import Account
from keyfob.accounts.service import Accounts
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import Role, User
from keyfob.core import batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.problems import Problem, in_one_line
from keyfob.devices.device import source_in_words
from keyfob.devices.source import Source
from keyfob.login_log.service import LoginLog
from keyfob.mail import mails
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail
from keyfob.mfa.stepup import FactorStepUp
from keyfob.own_account import erasure_queries
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions
from keyfob.sessions.standing import Standing

log = structlog.get_logger("keyfob.erasure")


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """Takes everything personal out of the database."""

    db: Database
    accounts: Accounts
    sessions: Sessions
    log: LoginLog
    mail: Mail
    audit: Audit

    async def begin(
        self, tx: Tx, user_id: UUID, *, actor_id: UUID | None = None, source: Source | None = None
    ) -> bool:
        """Tell whether somebody has piled up so much that `clear` is to go first, and record that.

        Call it last in the transaction in which it is sure that the erasure is wanted and allowed.
        Threat: an administrator blanks a user's log, and gets out before the account goes.
        """
        if not await erasure_queries.has_more_than(tx, user_id, batches.AT_ONCE):
            return False
        await self.audit.record(
            tx,
            action=Event.USER_DELETION_BEGUN,
            actor_id=actor_id,
            target_id=user_id,
            source=source,
        )
        return True

    async def clear(self, user_id: UUID) -> int:
        """Take out what somebody has piled up; return what `erase` needs then.

        Threat: who signs in for weeks, as fast as the limits let them, has an account that no one
        statement can erase in time, or only under a lock for which others wait. So this goes in
        batches with no account locked, each its own transaction, and may be done again. Of what is
        no more than a batch nothing is done here: an erasure that fails has then changed nothing.

        Call it once `begin` has said so, and is committed. If the erasure does not happen after all
        (a fault, a wish to stay at the last moment, a right that was lost), the account lives on
        with less in its logs, without its ended sessions, and its owner is told of the next sign-in
        as of one from a new device. That is on record, and harmless: it was to be erased, nobody
        gets in by it, and whoever tries again goes on from there.
        """
        await self.sessions.delete_ended(user_id)
        await self.log.erase_person(self.db, user_id)
        return await self.audit.erase_person(self.db, user_id)

    async def erase(self, tx: Tx, person: Account, cleared: int) -> None:
        """Erase a person, whose account is locked with the administrators; record it after this.

        `cleared` is what `clear` returned: what came after it, a little, goes here.

        The row of the account takes with it what hangs on it: sessions, factors, codes, links,
        queued mails. What happened stays in both logs, of nobody. The last word goes to the
        address, in a mail that belongs to no account and is given up after two days.

        Raises:
            LastAdmin: nobody would be left to administer.
        """
        await self.sessions.end_all(tx, person.id, EndReason.DELETED)
        await self.accounts.delete_account(tx, person)
        await self.log.erase_person(tx, person.id)
        await self.audit.erase_person(tx, person.id, after=cleared)
        to = Recipient(person.email.typed, person.locale, proven=person.is_verified)
        await self.mail.send(tx, to, mails.Erased())


@dataclass(frozen=True, kw_only=True)
class OwnErasure:
    """Plans the erasure that a user asked for, takes it back, and does it when it is due.

    `grace` is the time in which it can be taken back; sessions go on meanwhile.
    So many due accounts are looked up `at_once`.
    """

    db: Database
    accounts: Accounts
    standing: Standing
    step_up: FactorStepUp
    erasure: Erasure
    mail: Mail
    audit: Audit
    clock: Clock
    grace: timedelta
    at_once: int = 100

    async def plan(self, caller: User, source: Source) -> datetime:
        """Plan the caller's erasure and return its time; asked again, it stays as planned.

        Raises:
            LastAdmin: nobody would be left to administer.
            InsufficientAuthentication, Unauthenticated: as `FactorStepUp.ensure_standing` says.
        """
        erase_at = None
        async with self.db.begin() as tx:
            account = await self.step_up.ensure_standing(tx, caller)
            # Threat: any user's many calls wait for whoever administers, each with one of the few
            # connections. Who has not the role under the lock gets it after this, or not at all.
            if account.role is not Role.ADMIN:
                erase_at = await self._plan(tx, caller.user_id, source)
        if erase_at is None:  # that lock comes before the account's, so all begins anew
            async with self.db.begin() as tx:
                await self.step_up.ensure_standing(tx, caller, with_admins=True)
                erase_at = await self._plan(tx, caller.user_id, source)
        return erase_at

    async def _plan(self, tx: Tx, user_id: UUID, source: Source) -> datetime:
        plan = await self.accounts.plan_erasure(tx, user_id, self.clock.now() + self.grace)
        if plan.is_new:
            erase_at = mails.moment_in_words(plan.erase_at)
            notice = mails.ErasurePlanned(erase_at=erase_at, **source_in_words(source))
            await self.mail.tell(tx, user_id, notice)
            when = {"erase_at": plan.erase_at.isoformat()}
            await self._record(tx, Event.USER_ERASURE_PLANNED, user_id, source, when)
        return plan.erase_at

    async def cancel(self, caller: User, source: Source) -> None:
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
                notice = mails.ErasureCancelled(**source_in_words(source))
                await self.mail.tell(tx, user_id, notice)
                await self._record(tx, Event.USER_ERASURE_CANCELLED, user_id, source, {})

    async def erase_due(self) -> None:
        """Erase whose time has come, one after the other; several workers may do so.

        Who cannot be erased is left for the next time, and keeps no other.
        """
        left: list[UUID] = []
        while ids := await self.accounts.list_due_erasures(self.at_once, but=left):
            left += [user_id for user_id in ids if not await self._try_to_erase(user_id)]

    async def _try_to_erase(self, user_id: UUID) -> bool:
        try:
            return await self._erase_if_due(user_id)
        except LastAdmin:
            log.warning("last_admin_not_erased", user_id=str(user_id))
        except Problem as problem:
            log.warning("account_not_erased", user_id=str(user_id), cause=in_one_line(problem))
        return False

    async def _erase_if_due(self, user_id: UUID) -> bool:
        async with self.db.begin() as tx:
            if await self._lock_due(tx, user_id) is None:
                return False
            begun = await self.erasure.begin(tx, user_id)
        cleared = await self.erasure.clear(user_id) if begun else 0
        async with self.db.begin() as tx:
            person = await self._lock_due(tx, user_id)
            if person is None:
                return False
            await self.erasure.erase(tx, person, cleared)
            was = {"role": person.role, "status": person.status}
            await self.audit.record(
                tx, action=Event.USER_ERASED, actor_id=None, target_id=user_id, old=was
            )
        log.info("account_erased", user_id=str(user_id))
        return True

    async def _lock_due(self, tx: Tx, user_id: UUID) -> Account | None:
        """Lock an account that is due still, and may go; None: another worker was first.

        Asked of the row that is locked, so that a wish to stay that came before is heard.
        """
        person = await locks.lock_with_admins(tx, user_id)
        if person is None or not person.is_to_be_erased(self.clock.now()):
            return None
        await self.accounts.ensure_may_go(tx, person)
        return person

    async def _record(
        self, tx: Tx, action: Event, user_id: UUID, source: Source, new: dict[str, str]
    ) -> None:
        await self.audit.record(
            tx, action=action, actor_id=user_id, target_id=user_id, new=new, source=source
        )
