"""Signing up if addresses must be verified.

The answer does not reveal whether an address has an account: the sign-up is one row in the outbox,
whose handler looks the address up, and only a mail to the address tells the result.

Threat: somebody signs up with an address of another person, and waits for its owner to do the same,
or does it after the owner. So the account has no password until its address is verified, and each
sign-up keeps its own password and name with its link. The reader of the mails types the password,
and so decides which sign-up it was, whichever link is opened.
"""

from dataclasses import dataclass
from uuid import UUID

from pydantic import SecretStr

from keyfob.accounts import locks
from keyfob.accounts.credentials import Credentials
from keyfob.accounts.email import Email
from keyfob.accounts.errors import EmailTaken
from keyfob.accounts.models import NewAccount, SignUp
from keyfob.accounts.service import Accounts
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.core.addresses import share_of
from keyfob.core.database import Tx
from keyfob.core.locales import Locale
from keyfob.devices.device import source_in_words
from keyfob.devices.source import Source
from keyfob.limits.mail_caps import Write
from keyfob.mail import mails
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail
from keyfob.outbox.models import Job
from keyfob.passwords.service import Passwords
from keyfob.proof.link_requests import LinkRequest, LinkRequests
from keyfob.registration.verification import VerificationLinks


@dataclass(frozen=True, kw_only=True)
class SignUps:
    """Accepts sign-ups whose address has to be verified first."""

    accounts: Accounts
    credentials: Credentials
    passwords: Passwords
    verification: VerificationLinks
    requests: LinkRequests
    mail: Mail
    audit: Audit

    async def request(
        self, email: Email, password: SecretStr, name: str | None, source: Source
    ) -> None:
        """Accept a sign-up; known and unknown addresses get the same answer, in body and in time.

        Raises:
            WeakPassword: the password is refused, with the reason.
            Overloaded: too many passwords wait to be hashed.
        """
        await self.passwords.ensure_acceptable(password, email.normal, name)
        password_hash = await self.passwords.hash_sign_up(
            password, email.normal, share_of(source.address)
        )
        told = {
            "password_hash": password_hash,
            "name": name,
            "locale": source.locale,
            "address": source.address,
            "where": source_in_words(source),
        }
        await self.requests.add(self.requests.db, email, told, expires=False)

    async def admit(self, job: Job) -> None:
        """Do what `request` wrote: add the account and send a link, or tell that it exists."""
        await self.requests.answer(job, self._admit, self._lend)

    async def _admit(self, tx: Tx, request: LinkRequest) -> bool:
        await request.job.finish(tx)
        told = request.job.payload
        try:
            # Without the name, which may be a stranger's: it is the account's with the proof.
            account = NewAccount(
                email=request.email, locale=Locale(told["locale"]), registered_itself=True
            )
            user_id = await self.accounts.add_account(tx, account)
        except EmailTaken:
            return await self._meet(tx, request)
        await self._send_link(tx, user_id, request)
        await self.audit.record(
            tx,
            action=Event.USER_REGISTERED,
            actor_id=user_id,
            target_id=user_id,
            source=Source(told["address"], ""),
        )
        return True

    async def _meet(self, tx: Tx, request: LinkRequest) -> bool:
        """Meet a known address: a link beside those of other sign-ups, or a word to an account.

        Returns whether a link was sent.
        """
        account = await locks.lock_by_email(tx, request.email)
        if account is None:  # gone in this moment
            return False
        if account.is_waiting_sign_up:
            await self._send_link(tx, account.id, request)
            return True
        if not request.is_spare:
            await self.mail.tell(tx, account.id, mails.EmailTaken(**request.where))
        return False

    async def _send_link(self, tx: Tx, user_id: UUID, request: LinkRequest) -> None:
        told, email = request.job.payload, request.email
        locale = Locale(told["locale"])
        await self.verification.send(
            tx,
            Recipient(email.typed, locale, user_id),
            request.where,
            sign_up=SignUp(email, told["password_hash"], told["name"], locale),
            is_spare=request.is_spare,
        )

    async def _lend(self, email: Email, write: Write) -> None:
        owner = await self.credentials.find_address_owner(email)
        if owner is None or await self.credentials.is_waiting(owner.id):
            await self.requests.lend_spare(owner, email, write)
