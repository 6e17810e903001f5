"""Notices to owners about sign-ins from somewhere new."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.devices.device import source_in_words
from keyfob.devices.places import Places
from keyfob.devices.source import Source
from keyfob.mail import mails
from keyfob.mail.service import Mail
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox


@dataclass(frozen=True, kw_only=True)
class Notices:
    """Tells owners of sign-ins from a device or a network that was not used in the last 90 days."""

    KIND: ClassVar[str] = "sign_in.new"

    db: Database
    clock: Clock
    outbox: Outbox
    mail: Mail
    places: Places

    async def request(self, tx: Tx, user_id: UUID, source: Source) -> None:
        """Queue a notice to the owner, for after the commit of the sign-in."""
        told = {"at": self.clock.now().isoformat(), **source_in_words(source)}
        await self.outbox.add(tx, self.KIND, told, user_id=user_id)

    async def send(self, job: Job) -> None:
        """Send the notice that `request` queued."""
        if job.user_id is None:
            return
        at, address, device = (job.payload[name] for name in ("at", "address", "device"))
        notice = mails.NewSignIn(
            at=mails.moment_in_words(datetime.fromisoformat(at)),
            address=address,
            device=device,
            place=self.places.find_all(address) or None,
        )
        async with self.db.begin() as tx:
            # The mail first: it takes the account before the job, as its erasure does.
            await self.mail.tell(tx, job.user_id, notice)
            await job.finish(tx)
