"""From a job of the outbox to a mail that is on its way."""

import asyncio
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import structlog

from keyfob.core.locales import Locale
from keyfob.core.telemetry import mask_email
from keyfob.mail.mails import Erased, NewSignIn
from keyfob.mail.message import Letter, Sender, compose
from keyfob.mail.models import QueuedMail
from keyfob.mail.words import for_reader
from keyfob.mail.writing import Writer
from keyfob.outbox.errors import GiveUp
from keyfob.outbox.models import Job

log = structlog.get_logger("keyfob.mail")

_LONG_AGO = datetime.fromtimestamp(0, UTC)


class Carrier(Protocol):
    """Who takes mails from here: an SMTP server, or a folder."""

    def load(self) -> None:
        """Load what is needed for the first mail."""

    async def carry(self, letter: Letter, *, patient: bool = False) -> None:
        """Hand a mail over, or raise `TryAgain` or `GiveUp`; `patient`: it may take long."""

    async def greet(self, sender: str) -> None:
        """Raise `TryAgain` where no mail of a sender could be handed over."""

    async def delete_old(self) -> None:
        """Delete what was kept of mails long ago."""


class Delivery:
    """The handler of the jobs that `Mail` writes."""

    def __init__(self, writer: Writer, carrier: Carrier, sender: Sender) -> None:
        self.writer = writer
        self.carrier = carrier
        self._sender = sender
        self._ready = False
        self._loading = asyncio.Lock()

    async def deliver(self, job: Job) -> None:
        """Write one mail and hand it over.

        Raises:
            TryAgain: not now.
            GiveUp: never.
        """
        async with self._loading:
            if not self._ready:
                # In a thread: it takes a while, and requests do not wait for it.
                await asyncio.to_thread(self.load)
        mail = QueuedMail.read(job)
        template = mail.content.template
        try:
            letter = self._compose(job, mail)
            await self.carrier.carry(letter, patient=job.is_slow)
        except GiveUp as fault:
            if not isinstance(mail.content, Erased):
                raise
            # A dead letter would keep the address of somebody who was erased.
            log.warning("mail_dropped", template=template, cause=fault.reason)
        else:
            log.info(
                "mail_sent", to=mask_email(mail.to.address), template=template, job=str(job.id)
            )

    async def greet(self) -> None:
        """See whether mails would leave, without sending one.

        Raises:
            TryAgain: with what is wrong.
        """
        await self.carrier.greet(self._sender.address)

    def load(self) -> None:
        """Load what the first mail needs, and write one that nobody gets: that takes 50 ms."""
        self.writer.load()
        self.carrier.load()
        written = self.writer.write(NewSignIn.template, Locale.ENGLISH, {})
        nobody = "nobody@example.com"
        compose(UUID(int=0), _LONG_AGO, self._sender, nobody, Locale.ENGLISH, written)
        self._ready = True

    def _compose(self, job: Job, mail: QueuedMail) -> Letter:
        to = mail.to
        told = for_reader(mail.told(), proven=to.proven)
        written = self.writer.write(mail.content.template, to.locale, told)
        return compose(job.id, job.created_at, self._sender, to.address, to.locale, written)
