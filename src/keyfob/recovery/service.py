"""Recovery of a forgotten password: a link to the address, and a new password."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import SecretStr

from keyfob.accounts import locks
from keyfob.accounts.credentials import Credentials
from keyfob.accounts.email import Email
from keyfob.accounts.models import Account, Status
from keyfob.accounts.service import Accounts
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.core.addresses import UNKNOWN, share_of
from keyfob.core.database import Database, Tx
from keyfob.devices.device import NOWHERE, Where, source_in_words
from keyfob.devices.source import Source
from keyfob.limits.mail_caps import Write
from keyfob.limits.service import SignInThrottle
from keyfob.login_log.service import LoginLog
from keyfob.mail import mails
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail
from keyfob.one_time_tokens.errors import InvalidLink
from keyfob.one_time_tokens.models import Kind, Link
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.outbox.models import Job
from keyfob.passwords.service import Passwords
from keyfob.proof.link_requests import LinkRequest, LinkRequests
from keyfob.proof.service import Proofs, Prover
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions

# Kinds that set a password: sent to an address, or given to a user who knows an administrator's
# password.
_KINDS = (Kind.RECOVER, Kind.INVITE, Kind.CHANGE_PASSWORD)


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Sends links for choosing a password to those who ask (`LinkRequests`), and redeems them."""

    db: Database
    credentials: Credentials
    accounts: Accounts
    passwords: Passwords
    sessions: Sessions
    proofs: Proofs
    links: OneTimeTokens
    requests: LinkRequests
    mail: Mail
    throttle: SignInThrottle
    log: LoginLog
    audit: Audit
    invitation_ttl: timedelta

    async def request_link(self, email: Email, source: Source) -> None:
        """Send a link to an address, if it has an account."""
        await self.requests.add(self.db, email, {"where": source_in_words(source)})

    async def send_requested(self, job: Job) -> None:
        """Do the job of `request_link`. A blocked user could not use a link, and gets none."""
        await self.requests.answer(job, self._write_requested, self._lend)

    async def _write_requested(self, tx: Tx, request: LinkRequest) -> bool:
        await request.job.finish(tx)
        account = await locks.lock_by_email(tx, request.email)
        if account is None or not account.is_active:
            return False
        await self.send(tx, account, request.where, is_spare=request.is_spare)
        return True

    async def _lend(self, email: Email, write: Write) -> None:
        owner = await self.credentials.find_address_owner(email)
        if owner and owner.status is Status.ACTIVE:
            await self.requests.lend_spare(owner, email, write)

    async def send(
        self, tx: Tx, account: Account, where: Where = NOWHERE, *, is_spare: bool = False
    ) -> None:
        """Send a link to a locked account.

        The token is bound to the address that it is sent to: using it proves that address. Beyond
        the cap of mails it is the spare one, valid for six hours: strangers can use up the others,
        but the owner always has one in the mailbox.
        """
        token = await self.links.issue(
            tx, account.id, Kind.RECOVER, email=account.email, is_spare=is_spare
        )
        link, expires_at = mails.Recover(token=token, **where), self.links.expiry(is_spare=is_spare)
        await self.mail.send(tx, Recipient.of(account), link, expires_at=expires_at)

    async def invite(self, tx: Tx, account: Account) -> None:
        """Send a link, bound to the address as well, to a locked account made for somebody."""
        ttl = self.invitation_ttl
        token = await self.links.issue(tx, account.id, Kind.INVITE, email=account.email, ttl=ttl)
        link, expires_at = mails.Invite(token=token), self.links.expiry(ttl)
        await self.mail.send(tx, Recipient.of(account), link, expires_at=expires_at)

    async def set_password(self, token: str, password: SecretStr, source: Source) -> None:
        """Redeem a link: its user gets a new password, and every session ends.

        All other links are invalidated. At the first proof of the address, everything that a
        stranger may have left is ended, too (`Proofs`); later, second factors stay.

        Raises:
            InvalidLink: the link is unknown, used, expired, of another kind, or of a blocked
                account. Of two requests at once with one link, one gets this.
            WeakPassword: the password is refused, with the reason; the link can be used again.
            Overloaded: too many passwords wait to be hashed; the link can be used again.
        """
        link = await self.links.find(self.db, _KINDS, token)
        user = link and await self.credentials.find_unlocked(link.user_id)
        if link is None or user is None:
            raise InvalidLink
        # The name of an account that nobody has proven may be a stranger's, and is removed.
        name = user.name if user.was_proven else None
        await self.passwords.ensure_acceptable(password, user.email.normal, name)
        password_hash = await self.passwords.hash(password, share_of(source.address))

        async with self.db.begin() as tx:
            account = await locks.lock(tx, link.user_id)
            spent = await self.links.spend(tx, _KINDS, token)
            if account is None or spent is None:
                raise InvalidLink
            if spent.email is None:
                await self._change(tx, account, password_hash, source)
            else:
                await self._recover(tx, account, spent, password_hash, source)
        # Earlier mistyped passwords no longer count. From this network, which is known now, the
        # owner can sign in, whatever others guess elsewhere.
        await self.throttle.pardon(account.email.normal, source.address or UNKNOWN)

    async def _recover(
        self, tx: Tx, account: Account, link: Link, password_hash: str, source: Source
    ) -> None:
        """Set a password for the reader of a mail to the address."""
        if not link.proves(account.email.normal):
            raise InvalidLink
        user_id = account.id
        proof = await self.proofs.prove(tx, account, Prover.READER, source)
        kept = proof.keeps_account or await self.accounts.cancel_erasure(tx, user_id)
        ended = proof.sessions
        if ended is None:
            ended = await self.sessions.end_all(tx, user_id, EndReason.RECOVERED, source=source)
        await self.links.kill(tx, user_id)
        await self.credentials.set_password(tx, user_id, password_hash)
        await self.log.recovered(tx, user_id, source)
        notice = mails.PasswordRecovered(
            is_first_proof=proof.is_first, is_kept=kept, **source_in_words(source)
        )
        await self.mail.tell(tx, user_id, notice)
        new = {"sessions_ended": ended, "first_proof": proof.is_first, "kept": kept}
        await self._record(tx, account, Event.USER_PASSWORD_RECOVERED, proof.counts, new, source)

    async def _change(self, tx: Tx, account: Account, password_hash: str, source: Source) -> None:
        """Set a password for somebody who knows the one that an administrator gave.

        Links in the mailbox stay valid: its reader ranks before somebody who knows a password.
        """
        user_id = account.id
        ended = await self.sessions.end_all(tx, user_id, EndReason.PASSWORD_CHANGED, source=source)
        await self.links.kill(tx, user_id, Kind.CHANGE_PASSWORD)
        await self.credentials.set_password(tx, user_id, password_hash)
        await self.log.recovered(tx, user_id, source)
        await self.mail.tell(tx, user_id, mails.PasswordChanged(**source_in_words(source)))
        new = {"sessions_ended": ended}
        await self._record(tx, account, Event.USER_PASSWORD_CHANGED, {}, new, source)

    async def _record(
        self,
        tx: Tx,
        account: Account,
        action: Event,
        ended: dict[str, int],
        new: Mapping[str, object],
        source: Source,
    ) -> None:
        await self.audit.record(
            tx,
            action=action,
            actor_id=account.id,
            target_id=account.id,
            old={"ended": ended} if ended else None,
            new={name: value for name, value in new.items() if value is not False},
            source=source,
        )
