"""Proving that an address is one's own."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from keyfob.audit.service import Audit
from keyfob.core.database import Database, Tx
from keyfob.core.origin import Origin
from keyfob.links.errors import InvalidLink
from keyfob.links.models import Kind
from keyfob.links.service import OneTimeTokens
from keyfob.mail.caps import Cap
from keyfob.mail.models import Recipient, Template
from keyfob.mail.service import Mail
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox
from keyfob.sessions.devices import origin_in_words
from keyfob.users.credentials import Credentials
from keyfob.users.email import Email
from keyfob.users.models import Status


@dataclass(frozen=True)
class EmailVerification:
    """Sends links that prove an address, and takes them.

    Asking for a link answers alike, and takes alike, for known and unknown addresses: one row in
    the outbox, whose handler looks.
    """

    KIND: ClassVar[str] = "verify.request"

    db: Database
    credentials: Credentials
    links: OneTimeTokens
    outbox: Outbox
    mail: Mail
    cap: Cap
    audit: Audit

    async def request(self, email: Email, origin: Origin) -> None:
        """Have a link sent to an address, if it has an account that waits for one."""
        payload = {"email": email.typed, "where": origin_in_words(origin)}
        await self.outbox.add(self.db, self.KIND, payload, expires_at=self.links.expiry())

    async def send_requested(self, job: Job) -> None:
        """Do what `request` wrote. A sign-up that waits keeps the password it came with."""
        email = Email.parse(job.payload["email"])
        allowed = await self.cap.allows(email.normal)
        async with self.db.begin() as tx:
            await job.finish(tx)
            account = await self.credentials.hold_by_email(tx, email) if allowed else None
            if account is None or account["is_verified"] or account["status"] != Status.ACTIVE:
                return
            before = await self.links.find_of_user(tx, account["id"], Kind.VERIFY_EMAIL)
            password_hash = before["password_hash"] if before else None
            to = Recipient(account["email"], account["locale"], account["id"])
            await self.send(tx, to, job.payload["where"], password_hash=password_hash)

    async def send(
        self,
        tx: Tx,
        to: Recipient,
        where: dict[str, str | None] | None = None,
        *,
        password_hash: str | None = None,
    ) -> None:
        """Send a link that proves the address of an account, and perhaps sets its first password.

        The greeting has no name. Threat: a sign-up would carry any words of a stranger to any
        address.
        """
        if to.user_id is None or to.name is not None:  # pragma: no cover - a fault of the caller
            raise ValueError("a link goes to an account, and greets nobody by name")
        token = await self.links.issue(
            tx,
            to.user_id,
            Kind.VERIFY_EMAIL,
            email=Email.parse(to.address),
            password_hash=password_hash,
        )
        await self.mail.send(
            tx,
            to,
            Template.VERIFY_EMAIL,
            {"token": token, **(where or {})},
            expires_at=self.links.expiry(),
        )

    async def confirm(self, token: str, origin: Origin) -> None:
        """Take a link: its address is proven, and the password of its sign-up is set.

        Raises:
            InvalidLink: unknown, used, expired, overtaken, of another kind, or the account has
                another address by now.
        """
        found = await self.links.find(self.db, Kind.VERIFY_EMAIL, token)
        if found is None:
            raise InvalidLink
        user_id: UUID = found["user_id"]
        async with self.db.begin() as tx:
            account = await self.credentials.hold(tx, user_id)
            link = await self.links.spend(tx, Kind.VERIFY_EMAIL, token)
            if link is None or account is None or link["email_normal"] != account["email_normal"]:
                raise InvalidLink
            await self.credentials.verify_email(
                tx, user_id, first_password_hash=link["password_hash"]
            )
            await self.audit.record(
                tx,
                action="user.email_verified",
                actor_id=user_id,
                target_id=user_id,
                origin=origin,
            )
