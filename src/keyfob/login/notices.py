"""What happens when somebody has signed in: it is written down, and the owner may have to know."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from keyfob.core.database import Database, Tx
from keyfob.devices.device import source_in_words
from keyfob.devices.places import Places
from keyfob.devices.source import Source
from keyfob.login_log.models import Reason, Seen
from keyfob.login_log.service import LoginLog
from keyfob.mail.models import Template
from keyfob.mail.service import Mail
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox


@dataclass(frozen=True)
class Notices:
    """Writes each sign-in, whatever proved it, and tells the owner of one from somewhere new."""

    KIND: ClassVar[str] = "sign_in.new"

    db: Database
    log: LoginLog
    outbox: Outbox
    mail: Mail
    places: Places

    async def of_sign_in(
        self,
        tx: Tx,
        user_id: UUID,
        reason: Reason,
        source: Source,
        session_id: UUID,
        seen: Seen | None = None,
    ) -> None:
        """Write a sign-in, in the transaction that opens its session.

        From a device or a network that the account was not used from in the last 90 days, its owner
        is told; not of its very first sign-in. `seen` is what the log knew before, where it was
        asked already; else it is asked here.
        """
        if seen is None:
            seen = await self.log.recall(tx, user_id, source)
        await self.log.succeeded(tx, user_id, reason, source, session_id)
        if _is_new(seen, source):
            told = {"at": self.log.clock.now().isoformat(), **source_in_words(source)}
            await self.outbox.add(tx, self.KIND, told, user_id=user_id)

    async def send(self, job: Job) -> None:
        """Do what `of_sign_in` wrote: tell the owner."""
        if job.user_id is None:
            return
        told = {
            **job.payload,
            "at": datetime.fromisoformat(job.payload["at"]),
            "place": self.places.find_all(job.payload["address"]) or None,
        }
        async with self.db.begin() as tx:
            # The mail first: it takes the account before the job, as its erasure does.
            await self.mail.tell(tx, job.user_id, Template.NEW_SIGN_IN, told)
            await job.finish(tx)


def _is_new(seen: Seen, source: Source) -> bool:
    knows_network = seen.network or source.address is None  # a unix socket has none
    return seen.ever and not (knows_network and seen.device)
