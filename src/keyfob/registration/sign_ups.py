"""Signing up where addresses must be proven.

The answer tells nobody whether an address has an account: the sign-up is one row in the outbox,
whose handler looks, and what it finds goes to the address alone.

Threat: somebody signs up with an address that is not theirs, and waits for its owner to do the
same, or does it after the owner. So the account has no password until its address is proven, and
each sign-up keeps its own, with its name, beside its link. Whoever reads the mails types the
password, and so decides which of them it was, whatever link is opened.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from pydantic import SecretStr

from keyfob.accounts import locks
from keyfob.accounts.email import Email
from keyfob.accounts.errors import EmailTaken
from keyfob.accounts.models import NewAccount, SignUp
from keyfob.accounts.service import Accounts
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.core.addresses import share_of
from keyfob.core.database import Database, Tx
from keyfob.core.locales import Locale
from keyfob.devices.device import source_in_words
from keyfob.devices.source import Source
from keyfob.limits.mail_caps import Cap
from keyfob.mail import mails
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail
from keyfob.one_time_tokens.models import Kind
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox
from keyfob.passwords.service import Passwords
from keyfob.proof.spare_links import SpareLinks
from keyfob.registration.verification import VerificationLinks


@dataclass(frozen=True, kw_only=True)
class SignUps:
    """Takes sign-ups whose address is to be proven first."""

    KIND: ClassVar[str] = "register.request"

    db: Database
    accounts: Accounts
    passwords: Passwords
    verification: VerificationLinks
    outbox: Outbox
    mail: Mail
    cap: Cap
    spares: SpareLinks
    audit: Audit

    async def request(
        self, email: Email, password: SecretStr, name: str | None, locale: Locale, source: Source
    ) -> None:
        """Take a sign-up; known and unknown addresses are answered alike, in body and in time.

        Raises:
            WeakPassword: with the reason.
            Overloaded: too many passwords wait to be hashed.
        """
        await self.passwords.ensure_acceptable(password, email.normal, name)
        password_hash = await self.passwords.hash_sign_up(
            password, email.normal, share_of(source.address)
        )
        payload = {
            "email": email.typed,
            "password_hash": password_hash,
            "name": name,
            "locale": locale,
            "address": source.address,
            "where": source_in_words(source),
        }
        await self.outbox.add(self.db, self.KIND, payload)

    async def admit(self, job: Job) -> None:
        """Do what `request` wrote: add the account and send a link, or tell that it exists."""
        email = Email.parse(job.payload["email"])
        write = partial(self._admit, job, email)
        await self.spares.send(self.cap, email, Kind.VERIFY_EMAIL, write, signs_up=True)

    async def _admit(self, job: Job, email: Email, within_cap: bool) -> bool:
        async with self.db.begin() as tx:
            await job.finish(tx)
            try:
                # Without the name, which may be a stranger's: it is the account's with the proof.
                locale = Locale(job.payload["locale"])
                account = NewAccount(email=email, locale=locale, registered_itself=True)
                user_id = await self.accounts.add_account(tx, account)
            except EmailTaken:
                return await self._meet(tx, email, job.payload, within_cap=within_cap)
            await self._send_link(tx, email, user_id, job.payload, within_cap=within_cap)
            await self.audit.record(
                tx,
                action=Event.USER_REGISTERED,
                actor_id=user_id,
                target_id=user_id,
                source=Source(job.payload["address"], ""),
            )
        return True

    async def _meet(
        self, tx: Tx, email: Email, sign_up: dict[str, Any], *, within_cap: bool
    ) -> bool:
        """Meet a known address: a link beside those of other sign-ups, or a word to an account.

        Returns whether it was a link.
        """
        account = await locks.lock_by_email(tx, email)
        if account is None:  # gone in this moment
            return False
        if account.is_waiting_sign_up:
            await self._send_link(tx, email, account.id, sign_up, within_cap=within_cap)
            return True
        if within_cap:
            await self.mail.tell(tx, account.id, mails.EmailTaken(**sign_up["where"]))
        return False

    async def _send_link(
        self, tx: Tx, email: Email, user_id: UUID, sign_up: dict[str, Any], *, within_cap: bool
    ) -> None:
        await self.verification.send(
            tx,
            Recipient(email.typed, Locale(sign_up["locale"]), user_id),
            sign_up["where"],
            sign_up=SignUp(email, sign_up["password_hash"], sign_up["name"], sign_up["locale"]),
            within_cap=within_cap,
        )
