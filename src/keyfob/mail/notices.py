"""The step between a change and its notice: the caps of notices."""

from dataclasses import dataclass, replace
from typing import ClassVar

from keyfob.core.database import Database
from keyfob.limits.mail_caps import NoticeCaps
from keyfob.mail.mails import moment_in_words
from keyfob.mail.message import plain_address
from keyfob.mail.models import MAIL, NOTICE, QueuedMail
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox


@dataclass(frozen=True, kw_only=True)
class NoticeGate:
    """The handler of notices that `Mail` writes: within the caps, they become mails.

    The last notice within a cap says so: otherwise its reader would take silence for safety.
    """

    KIND: ClassVar[str] = NOTICE

    db: Database
    outbox: Outbox
    caps: NoticeCaps

    async def send(self, job: Job) -> None:
        """Count a notice and write its mail; beyond the cap, log the notice and drop it.

        Raises:
            GiveUp: no mail can have this address.
            Unavailable: the store of the limits is down.
        """
        mail = QueuedMail.read(job)
        sort, address = mail.content.template, plain_address(mail.to.address).lower()
        may_go, silent_until = await self.caps.count(sort, address, proven=mail.to.proven)
        if silent_until and job.user_id:
            mail = replace(mail, silent_until=moment_in_words(silent_until))
        async with self.db.begin() as tx:
            # The mail first: this locks the account before the job, in the same order as erasure.
            if may_go:
                payload, expires_at = mail.payload(), job.expires_at
                await self.outbox.add(tx, MAIL, payload, user_id=job.user_id, expires_at=expires_at)
            await job.finish(tx)
