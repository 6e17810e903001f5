"""A forgotten password: a link to the address, and a new one."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from asyncpg import Record
from pydantic import SecretStr

from keyfob.audit.service import Audit
from keyfob.core.database import Database, Tx
from keyfob.core.origin import Origin
from keyfob.limits.clients import UNKNOWN, share_of
from keyfob.limits.service import SignInThrottle
from keyfob.links.errors import InvalidLink
from keyfob.links.models import Kind
from keyfob.links.service import OneTimeTokens
from keyfob.login.log import LoginLog
from keyfob.mail.caps import Cap
from keyfob.mail.models import Recipient, Template
from keyfob.mail.service import Mail
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox
from keyfob.passwords.service import Passwords
from keyfob.sessions.devices import origin_in_words
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions
from keyfob.users.credentials import Credentials
from keyfob.users.email import Email
from keyfob.users.models import Status
from keyfob.users.service import Users


@dataclass(frozen=True)
class Recovery:
    """Sends links that set a password, and takes them.

    Asking for a link answers alike, and takes alike, for known and unknown addresses: one row in
    the outbox, whose handler looks.
    """

    KIND: ClassVar[str] = "recover.request"

    db: Database
    users: Users
    credentials: Credentials
    passwords: Passwords
    sessions: Sessions
    links: OneTimeTokens
    outbox: Outbox
    mail: Mail
    cap: Cap
    throttle: SignInThrottle
    log: LoginLog
    audit: Audit

    async def request_link(self, email: Email, origin: Origin) -> None:
        """Have a link sent to an address, if it has an account."""
        payload = {"email": email.typed, "where": origin_in_words(origin)}
        await self.outbox.add(self.db, self.KIND, payload, expires_at=self.links.expiry())

    async def send_requested(self, job: Job) -> None:
        """Do what `request_link` wrote. Who is blocked gains nothing by a link, and gets none."""
        email = Email.parse(job.payload["email"])
        allowed = await self.cap.allows(email.normal)
        async with self.db.begin() as tx:
            await job.finish(tx)
            account = await self.credentials.hold_by_email(tx, email) if allowed else None
            if account is not None and account["status"] == Status.ACTIVE:
                await self.send(tx, account, Template.RECOVER, job.payload["where"])

    async def send(
        self,
        tx: Tx,
        account: Record,
        template: Template,
        where: dict[str, str | None] | None = None,
    ) -> None:
        """Send a link to a held account (see `Credentials.hold`), to recover or as an invitation.

        The token is bound to the address that it is sent to: whoever brings it has proven that.
        """
        email = Email(account["email"], account["email_normal"])
        token = await self.links.issue(tx, account["id"], Kind.RECOVER, email=email)
        await self.mail.send(
            tx,
            Recipient(
                email.typed,
                account["locale"],
                account["id"],
                account["name"],
                account["is_verified"],
            ),
            template,
            {"token": token, **(where or {})},
            expires_at=self.links.expiry(),
        )

    async def set_password(self, token: str, password: SecretStr, origin: Origin) -> None:
        """Take a link: its user has a new password, and every session is ended.

        Older links of every kind are dead; second factors stay.

        Raises:
            InvalidLink: unknown, used, expired, overtaken, or of another kind. Of two at once with
                one link, one gets this.
            WeakPassword: with the reason; the link can be used again.
            Overloaded: too many passwords wait to be hashed; the link can be used again.
        """
        link = await self.links.find(self.db, Kind.RECOVER, token)
        if link is None:
            raise InvalidLink
        user = await self.users.get(link["user_id"])
        await self.passwords.ensure_acceptable(password, user["email_normal"], user["name"])
        password_hash = await self.passwords.hash(password, share_of(origin.address))

        async with self.db.begin() as tx:
            account = await self.credentials.hold(tx, link["user_id"])
            spent = await self.links.spend(tx, Kind.RECOVER, token)
            if account is None or spent is None:
                raise InvalidLink
            revoked = await self._recover(tx, account, spent, password_hash, origin)
        self.sessions.apply(revoked)
        # What was mistyped before counts no more. From here the owner gets in, whoever guesses
        # elsewhere: the network is known now.
        await self.throttle.pardon(account["email_normal"], origin.address or UNKNOWN)

    async def _recover(
        self, tx: Tx, account: Record, link: Record, password_hash: str, origin: Origin
    ) -> list[tuple[UUID, int]]:
        user_id: UUID = account["id"]
        await self.credentials.set_password(tx, user_id, password_hash)
        if link["email_normal"] == account["email_normal"]:
            await self.credentials.verify_email(tx, user_id)
        revoked = await self.sessions.end_all(tx, user_id, EndReason.RECOVERED, origin=origin)
        await self.links.kill(tx, user_id)
        await self.log.recovered(tx, user_id, origin)
        await self.mail.tell(tx, user_id, Template.PASSWORD_RECOVERED, origin_in_words(origin))
        await self.audit.record(
            tx,
            action="user.password_recovered",
            actor_id=user_id,
            target_id=user_id,
            new={"sessions_ended": len(revoked)},
            origin=origin,
        )
        return revoked
