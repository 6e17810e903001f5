"""Signing up where addresses must be proven.

The answer tells nobody whether an address has an account: the sign-up is one row in the outbox,
whose handler looks, and what it finds goes to the address alone.

Threat: somebody signs up with an address that is not theirs, and waits for its owner to do the
same. So the account has no password until its address is proven. Each link carries the password of
its own sign-up, and a newer link kills the older: an owner who signs up later activates the
password that the owner chose. What is left is an owner who follows a link that they did not ask
for, against its mail; they find that their password is another, and recovery ends what began so.
"""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from pydantic import SecretStr

from keyfob.audit.service import Audit
from keyfob.core.database import Database, Tx
from keyfob.core.origin import Origin
from keyfob.limits.clients import share_of
from keyfob.mail.caps import Cap
from keyfob.mail.models import Recipient, Template
from keyfob.mail.service import Mail
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox
from keyfob.passwords.service import Passwords
from keyfob.registration.verification import EmailVerification
from keyfob.sessions.devices import origin_in_words
from keyfob.users.credentials import Credentials, is_waiting_sign_up
from keyfob.users.email import Email
from keyfob.users.errors import EmailTaken
from keyfob.users.models import Locale
from keyfob.users.service import Users


@dataclass(frozen=True)
class SignUps:
    """Takes sign-ups whose address is to be proven first."""

    KIND: ClassVar[str] = "register.request"

    db: Database
    users: Users
    credentials: Credentials
    passwords: Passwords
    verification: EmailVerification
    outbox: Outbox
    mail: Mail
    cap: Cap
    audit: Audit

    async def request(
        self, email: Email, password: SecretStr, name: str | None, locale: Locale, origin: Origin
    ) -> None:
        """Take a sign-up; known and unknown addresses are answered alike, in body and in time.

        Raises:
            WeakPassword: with the reason.
            Overloaded: too many passwords wait to be hashed.
        """
        await self.passwords.ensure_acceptable(password, email.normal, name)
        password_hash = await self.passwords.hash(password, share_of(origin.address))
        payload = {
            "email": email.typed,
            "password_hash": password_hash,
            "name": name,
            "locale": locale,
            "address": origin.address,
            "where": origin_in_words(origin),
        }
        await self.outbox.add(self.db, self.KIND, payload)

    async def admit(self, job: Job) -> None:
        """Do what `request` wrote: add the account and send a link, or tell that it exists."""
        email = Email.parse(job.payload["email"])
        allowed = await self.cap.allows(email.normal)
        async with self.db.begin() as tx:
            await job.finish(tx)
            if not allowed:
                return
            try:
                user_id = await self._add(tx, email, job.payload)
            except EmailTaken:
                await self._meet(tx, email, job.payload)
            else:
                await self._send_link(tx, email, user_id, job.payload["locale"], job.payload)
                await self.audit.record(
                    tx,
                    action="user.registered",
                    actor_id=user_id,
                    target_id=user_id,
                    origin=Origin(job.payload["address"], ""),
                )

    async def _add(self, tx: Tx, email: Email, sign_up: dict[str, Any]) -> UUID:
        return await self.users.add(
            tx, email, None, name=sign_up["name"], locale=Locale(sign_up["locale"])
        )

    async def _meet(self, tx: Tx, email: Email, sign_up: dict[str, Any]) -> None:
        """Meet a known address: an older sign-up gives way, any other account stays as it is."""
        account = await self.credentials.hold_by_email(tx, email)
        if account is None:  # gone in this moment
            return
        if not is_waiting_sign_up(account):
            await self.mail.tell(tx, account["id"], Template.EMAIL_TAKEN, sign_up["where"])
            return
        locale = Locale(sign_up["locale"])
        await self.credentials.rewrite_sign_up(tx, account["id"], email, sign_up["name"], locale)
        await self._send_link(tx, email, account["id"], locale, sign_up)

    async def _send_link(
        self, tx: Tx, email: Email, user_id: UUID, locale: str, sign_up: dict[str, Any]
    ) -> None:
        await self.verification.send(
            tx,
            Recipient(email.typed, locale, user_id),
            sign_up["where"],
            password_hash=sign_up["password_hash"],
        )
