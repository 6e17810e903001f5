"""Between a change and the notice of it: whether its reader has had enough of such."""

from dataclasses import dataclass
from typing import ClassVar

from keyfob.core.database import Database
from keyfob.limits.mail_caps import NoticeCaps
from keyfob.mail.message import plain_address
from keyfob.mail.models import MAIL, NOTICE, Template
from keyfob.mail.writing import moment_in_words
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox


@dataclass(frozen=True, kw_only=True)
class NoticeGate:
    """The handler of the notices that `Mail` writes: those that may go become mails.

    The last that may go says so: else whoever is used to be told would take silence for calm.
    """

    KIND: ClassVar[str] = NOTICE

    db: Database
    outbox: Outbox
    caps: NoticeCaps

    async def send(self, job: Job) -> None:
        """Count a notice, and write its mail; one too many is told in the log, and dropped.

        Raises:
            GiveUp: no mail can be addressed so.
            Unavailable: the store of the limits is away.
        """
        to, payload = job.payload["to"], job.payload
        template = Template(payload["template"])
        address = plain_address(to["address"]).lower()
        may_go, silent_until = await self.caps.count(template, address, proven=to["proven"])
        if silent_until and job.user_id:
            payload = {**payload, "silent_until": moment_in_words(silent_until)}
        async with self.db.begin() as tx:
            # The mail first: it takes the account before the job, as its erasure does.
            if may_go:
                await self.outbox.add(
                    tx, MAIL, payload, user_id=job.user_id, expires_at=job.expires_at
                )
            await job.finish(tx)
