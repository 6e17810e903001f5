"""Erasing a person: at their own request after a grace period, or by an administrator at once."""

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
from keyfob.own_account import queries
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions
from keyfob.sessions.standing import Standing

log = structlog.get_logger("keyfob.erasure")


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """Removes all personal data from the database."""

    db: Database
    accounts: Accounts
    sessions: Sessions
    log: LoginLog
    mail: Mail
    audit: Audit

    async def begin(
        self, tx: Tx, user_id: UUID, *, actor_id: UUID | None = None, source: Source | None = None
    ) -> bool:
        """Tell whether there is so much data that `clear` has to come first, and record that.

        Call it last in the transaction that decides on the erasure. Threat: an administrator blanks
        a user's log, and avoids deleting the account.
        """
        if not await queries.has_more_than(tx, user_id, batches.AT_ONCE):
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
        """Remove data that has piled up; return the value that `erase` needs then.

        Threat: somebody who signs in for weeks, as fast as the limits permit, has an account that
        no single statement can erase in time, or only while others wait for its lock. So the data
        is removed in batches without a lock on the account, each in its own transaction, and this
        can be repeated. If there is no more than one batch, nothing is done here, so that a failing
        erasure changes nothing.

        Call it after `begin` returned True and was committed. If the erasure does not happen after
        all (a fault, a late wish to stay, or a lost right), the account has fewer log entries, no
        ended sessions, and its owner is notified of the next sign-in as if from a new device. That
        is recorded and harmless: the account was to be erased, nobody gains access by it, and the
        next attempt continues from there.
        """
        await self.sessions.delete_ended(user_id)
        await self.log.erase_person(self.db, user_id)
        return await self.audit.erase_person(self.db, user_id)

    async def erase(self, tx: Tx, person: Account, cleared: int) -> None:
        """Erase a person whose account is locked with the administrators; record it afterwards.

        `cleared` is the result of `clear`: the few newer entries are removed here.

        With the row of the account, all that belongs to it is deleted: sessions, factors, codes,
        links and queued mails. Both logs keep the events without the person. A final mail goes to
        the address; it belongs to no account and is dropped after two days.

        Raises:
            LastAdmin: no administrator would be left.
        """
        await self.sessions.end_all(tx, person.id, EndReason.DELETED)
        await self.accounts.delete_account(tx, person)
        await self.log.erase_person(tx, person.id)
        await self.audit.erase_person(tx, person.id, after=cleared)
        to = Recipient(person.email.typed, person.locale, proven=person.is_verified)
        await self.mail.send(tx, to, mails.Erased())


@dataclass(frozen=True, kw_only=True)
class OwnErasure:
    """Plans the erasure that a user asked for, cancels it, and does it when it is due.

    `grace` is the time in which it can be cancelled; sessions continue meanwhile. `at_once` due
    accounts are looked up at a time.
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
        """Plan the caller's erasure and return its time; a repeated request does not change it.

        Raises:
            LastAdmin: no administrator would be left.
            InsufficientAuthentication, Unauthenticated: see `FactorStepUp.ensure_standing`.
        """
        erase_at = None
        async with self.db.begin() as tx:
            account = await self.step_up.ensure_standing(tx, caller)
            # Threat: many calls of any user would wait for the lock on the administrators, each
            # with one of the few connections. A user without the role under the lock gets it
            # afterwards, or never.
            if account.role is not Role.ADMIN:
                erase_at = await self._plan(tx, caller.user_id, source)
        if erase_at is None:  # that lock must come before the account's, so this starts again
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
        """Cancel the caller's erasure; do nothing if none is planned.

        Raises:
            Unauthenticated: see `Standing.ensure`; the account may be erased at this moment.
            InsufficientAuthentication: the user has a factor, which this session has not presented.
        """
        user_id = caller.user_id
        async with self.db.begin() as tx:
            await self.standing.ensure(tx, caller)
            await self.step_up.ensure_factor(caller, tx)
            if await self.accounts.cancel_erasure(tx, user_id):
                notice = mails.ErasureCancelled(**source_in_words(source))
                await self.mail.tell(tx, user_id, notice)
                await self._record(tx, Event.USER_ERASURE_CANCELLED, user_id, source, {})

    async def erase_due(self) -> None:
        """Erase accounts that are due, one after the other; several workers may do so.

        An account that cannot be erased is left for the next time, and does not stop the others.
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
        """Lock an account that is still due and may go; None if another worker was first.

        The locked row is checked, so that an earlier cancellation is respected.
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
