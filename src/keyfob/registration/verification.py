"""Verifying an address: sending the link, and redeeming it."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.accounts import locks
from keyfob.accounts.credentials import Credentials
from keyfob.accounts.email import Email
from keyfob.accounts.models import Account, SignUp, Status
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import User
from keyfob.core.database import Database, Executor, Tx
from keyfob.devices.device import NOWHERE, Where, source_in_words
from keyfob.devices.source import Source
from keyfob.limits.mail_caps import Write
from keyfob.login.models import HashReplaced
from keyfob.mail import mails
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail
from keyfob.one_time_tokens.errors import InvalidLink
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.outbox.models import Job
from keyfob.proof.link_requests import LinkRequest, LinkRequests
from keyfob.proof.service import Proof, Proofs, Prover
from keyfob.sessions.standing import Standing


@dataclass(frozen=True, kw_only=True)
class VerificationLinks:
    """Sends links for verifying an address to those who ask (`LinkRequests`)."""

    credentials: Credentials
    links: OneTimeTokens
    requests: LinkRequests
    mail: Mail

    async def request(self, email: Email, source: Source) -> None:
        """Send a link to an address, if it has an account that waits for one."""
        await self.request_within(self.requests.db, email, source)

    async def request_within(self, tx: Executor, email: Email, source: Source) -> None:
        """Do as `request`, in the transaction that adds the account."""
        await self.requests.add(tx, email, {"where": source_in_words(source)})

    async def send_requested(self, job: Job) -> None:
        """Do the job of `request`."""
        await self.requests.answer(job, self._write_requested, self._lend)

    async def _write_requested(self, tx: Tx, request: LinkRequest) -> bool:
        await request.job.finish(tx)
        account = await locks.lock_by_email(tx, request.email)
        if account is None or account.is_verified or not account.is_active:
            return False
        to = Recipient.of(account)
        await self.send(tx, to, request.where, is_spare=request.is_spare)
        return True

    async def _lend(self, email: Email, write: Write) -> None:
        owner = await self.credentials.find_address_owner(email)
        if owner and owner.status is Status.ACTIVE and not owner.is_verified:
            await self.requests.lend_spare(owner, email, write)

    async def send(
        self,
        tx: Tx,
        to: Recipient,
        where: Where = NOWHERE,
        *,
        sign_up: SignUp | None = None,
        is_spare: bool = False,
    ) -> None:
        """Send a link for verifying the address of a locked account, perhaps for a sign-up.

        Beyond the cap of mails it is the spare one, valid for six hours. The greeting has no name.
        Threat: a sign-up could carry any text of a stranger to any address.
        """
        if to.user_id is None or to.name is not None:  # pragma: no cover - a fault of the caller
            raise ValueError("a link goes to an account, and greets nobody by name")
        token = await self.links.issue(
            tx,
            to.user_id,
            Kind.VERIFY_EMAIL,
            email=Email.parse(to.address),
            sign_up=sign_up,
            is_spare=is_spare,
        )
        link = mails.VerifyEmail(token=token, **where)
        await self.mail.send(tx, to, link, expires_at=self.links.expiry(is_spare=is_spare))


@dataclass(frozen=True, kw_only=True)
class EmailVerification:
    """Redeems links for verification of users who have no password to give, or need not give it."""

    db: Database
    credentials: Credentials
    links: OneTimeTokens
    proofs: Proofs
    standing: Standing
    audit: Audit

    async def confirm_own(self, caller: User, token: str, source: Source) -> None:
        """Redeem a link of a signed-in user: the address is verified, and nothing is removed.

        Raises:
            InvalidLink: the link is not valid, or of another account.
            Unauthenticated: see `Standing.ensure`.
        """
        async with self.db.begin() as tx:
            account = await self.standing.ensure(tx, caller)
            await self._spend(tx, token, account)
            proof = await self.proofs.prove(tx, account, Prover.KNOWS_THE_ACCOUNT, source)
            await self.record(tx, account.id, proof, "session", source)

    async def confirm_known(
        self, token: str, password_hash: str, sign_up: SignUp | None, source: Source
    ) -> None:
        """Redeem a link after a right password: the address is verified, and nothing is removed.

        Args:
            token: the token of the link.
            password_hash: the hash that the password was checked against.
            sign_up: the sign-up of that hash; the account gets its password and name.
            source: the source of the request.

        Raises:
            InvalidLink: the link is no longer valid.
            HashReplaced: the account has another password by now, or a better hash of the same.
        """
        async with self.db.begin() as tx:
            account = await self._lock_owner(tx, token)
            await self._spend(tx, token, account)
            if not await self.credentials.take_sign_up(tx, account.id, password_hash, sign_up):
                raise HashReplaced
            proof = await self.proofs.prove(tx, account, Prover.KNOWS_THE_ACCOUNT, source)
            await self.record(tx, account.id, proof, "password", source)

    async def take_over(self, token: str, source: Source) -> str:
        """Redeem a link alone, and return a token by which its reader chooses a password.

        Everything in the account may be a stranger's and is removed, unless the account had an
        owner already.

        Raises:
            InvalidLink: the link is not valid.
        """
        async with self.db.begin() as tx:
            account = await self._lock_owner(tx, token)
            await self._spend(tx, token, account)
            proof = await self.proofs.prove(tx, account, Prover.READER, source)
            choosing = await self.links.issue(tx, account.id, Kind.RECOVER, email=account.email)
            await self.record(tx, account.id, proof, "link", source)
        return choosing

    async def record(self, tx: Tx, user_id: UUID, proof: Proof, by: str, source: Source) -> None:
        """Record the proof in the audit log, with what it ended; last in its transaction."""
        await self.audit.record(
            tx,
            action=Event.USER_EMAIL_VERIFIED,
            actor_id=user_id,
            target_id=user_id,
            old={"ended": proof.counts} if proof.counts else None,
            new={"by": by, "first": proof.is_first},
            source=source,
        )

    async def _lock_owner(self, tx: Tx, token: str) -> Account:
        found = await self.links.find(tx, Kind.VERIFY_EMAIL, token)
        account = found and await locks.lock(tx, found.user_id)
        if account is None:
            raise InvalidLink
        return account

    async def _spend(self, tx: Tx, token: str, account: Account) -> None:
        """Use up the link of a locked account; a link of another account is rolled back."""
        link = await self.links.spend(tx, Kind.VERIFY_EMAIL, token)
        if link is None or link.user_id != account.id or not link.proves(account.email.normal):
            raise InvalidLink
