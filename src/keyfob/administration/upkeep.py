"""The upkeep of the service by administrators: dead letters, and a test of the mail server."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from keyfob.administration.authority import Actor, Authority
from keyfob.audit.events import Event
from keyfob.authority.models import Permission
from keyfob.core.database import Database
from keyfob.mail import mails
from keyfob.mail.delivery import Delivery
from keyfob.mail.service import Mail
from keyfob.outbox.errors import JobNotFound, TryAgain
from keyfob.outbox.service import MOST_RETRIED, Outbox


class MailTest(NamedTuple):
    """The outcome of a test: whether the server takes our mails, and if not, why."""

    well: bool
    says: str


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """Retries and drops dead letters, and tests the mail server; each is an audit event."""

    db: Database
    authority: Authority
    outbox: Outbox
    mail: Mail
    delivery: Delivery

    async def retry(self, actor: Actor, job_id: UUID) -> None:
        """Make a dead letter due again.

        Raises:
            JobNotFound: there is none with that id, or its link has expired.
            Unauthenticated, Forbidden, InsufficientAuthentication: see `Authority.ensure`.
        """
        if not await self.retry_all(actor, [job_id]):
            raise JobNotFound

    async def retry_all(self, actor: Actor, job_ids: Sequence[UUID] | None = None) -> list[UUID]:
        """Make dead letters due again, all of them without ids; return their ids.

        Those with expired links stay.

        Raises:
            Unauthenticated, Forbidden, InsufficientAuthentication: see `Authority.ensure`.
        """
        # What a refusal kills again meanwhile is not tried for ever.
        before, retried = self.outbox.clock.now(), list[UUID]()
        while True:
            batch = await self._retry_some(actor, job_ids, before)
            retried += batch
            if len(batch) < MOST_RETRIED:
                return retried

    async def _retry_some(
        self, actor: Actor, job_ids: Sequence[UUID] | None, before: datetime
    ) -> list[UUID]:
        async with self.db.begin() as tx:
            await self.authority.ensure(tx, actor, Permission.SERVICE_WRITE)
            retried = await self.outbox.retry(job_ids, tx, before=before)
            for job_id in retried:
                told = {"job_id": str(job_id)}
                await self.authority.record(tx, actor, Event.OUTBOX_RETRIED, None, new=told)
        return retried

    async def drop(self, actor: Actor, job_id: UUID) -> None:
        """Delete a dead letter.

        Raises:
            JobNotFound: there is none with that id.
            Unauthenticated, Forbidden, InsufficientAuthentication: see `Authority.ensure`.
        """
        async with self.db.begin() as tx:
            await self.authority.ensure(tx, actor, Permission.SERVICE_WRITE)
            dropped = await self.outbox.drop(tx, job_id)
            if dropped is None:
                raise JobNotFound
            told = {"job_id": str(job_id), "what": dropped.what}
            await self.authority.record(tx, actor, Event.OUTBOX_DROPPED, None, old=told)

    async def test_mail(self, actor: Actor) -> MailTest:
        """Try the mail server, and send the actor a mail if it answers.

        To nobody else: whoever has this right cannot have us write to strangers.

        Raises:
            Unauthenticated, Forbidden, InsufficientAuthentication: see `Authority.ensure`.
        """
        try:
            await self.delivery.greet()
            outcome = MailTest(True, "The mail server takes our mails")
        except TryAgain as fault:
            outcome = MailTest(False, fault.reason)
        async with self.db.begin() as tx:
            await self.authority.ensure(tx, actor, Permission.SERVICE_WRITE)
            if outcome.well and actor.user_id:
                await self.mail.tell(tx, actor.user_id, mails.Trial())
            told = {"well": outcome.well}
            await self.authority.record(tx, actor, Event.MAIL_TESTED, None, new=told)
        return outcome
