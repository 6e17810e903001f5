"""Delivery: turns a job of the outbox into a mail, and hands it over."""

from typing import Protocol

import structlog

from keyfob.core.telemetry import mask_email
from keyfob.mail.mails import Erased
from keyfob.mail.message import Letter, Sender, compose
from keyfob.mail.models import QueuedMail
from keyfob.mail.words import for_reader
from keyfob.mail.writing import Writer
from keyfob.outbox.errors import GiveUp
from keyfob.outbox.models import Job

log = structlog.get_logger("keyfob.mail")


class Carrier(Protocol):
    """A way to hand over mails: an SMTP server, or a folder."""

    async def carry(self, letter: Letter, *, patient: bool = False) -> None:
        """Hand a mail over; raise `TryAgain` or `GiveUp`. With `patient`, it may take longer."""

    async def greet(self, sender: str) -> None:
        """Raise `TryAgain` if mails of this sender could not be handed over."""

    async def delete_old(self) -> None:
        """Delete old copies of mails."""


class Delivery:
    """The handler of jobs that `Mail` writes."""

    def __init__(self, writer: Writer, carrier: Carrier, sender: Sender) -> None:
        self.writer = writer
        self.carrier = carrier
        self._sender = sender

    async def deliver(self, job: Job) -> None:
        """Write one mail and hand it over.

        Raises:
            TryAgain: it failed for now.
            GiveUp: it will never work.
        """
        mail = QueuedMail.read(job)
        template = mail.content.template
        try:
            letter = self._compose(job, mail)
            await self.carrier.carry(letter, patient=job.is_slow)
        except GiveUp as fault:
            if not isinstance(mail.content, Erased):
                raise
            # A dead letter would keep the address of an erased person.
            log.warning("mail_dropped", template=template, cause=fault.reason)
        else:
            log.info(
                "mail_sent", to=mask_email(mail.to.address), template=template, job=str(job.id)
            )

    async def greet(self) -> None:
        """Check that mails could be handed over, without sending one.

        Raises:
            TryAgain: they could not; the message says why.
        """
        await self.carrier.greet(self._sender.address)

    def _compose(self, job: Job, mail: QueuedMail) -> Letter:
        to = mail.to
        told = for_reader(mail.told(), proven=to.proven)
        written = self.writer.write(mail.content.template, to.locale, told)
        return compose(job.id, job.created_at, self._sender, to, written)
