"""Changing one's own e-mail address."""

from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.email import Email
from keyfob.accounts.models import Account, Contact
from keyfob.accounts.service import Accounts
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import Role, User
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.problems import FactorRequired, Unauthenticated
from keyfob.core.telemetry import mask_email
from keyfob.devices.device import source_in_words
from keyfob.devices.source import Source
from keyfob.limits.mail_caps import Write
from keyfob.mail import mails
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail
from keyfob.mfa.stepup import FactorStepUp
from keyfob.one_time_tokens.errors import InvalidLink
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.outbox.models import Job
from keyfob.proof.link_requests import LinkRequest, LinkRequests
from keyfob.proof.sign_ups import WaitingSignUps, replaced_sign_up
from keyfob.sessions.standing import Standing


@dataclass(frozen=True, kw_only=True)
class OwnEmail:
    """Gives an account another address, after a confirmation by the reader of that address.

    A request does not tell whether the new address has an account (`LinkRequests`), and leaves the
    same traces. Threat: an entry in the export of the requester, or an older link that stays valid,
    would reveal who has an account.
    """

    db: Database
    accounts: Accounts
    credentials: Credentials
    standing: Standing
    step_up: FactorStepUp
    sign_ups: WaitingSignUps
    links: OneTimeTokens
    requests: LinkRequests
    mail: Mail
    audit: Audit

    async def request(self, caller: User, email: Email) -> None:
        """Send a link to the new address; nothing happens for the present address.

        Raises:
            InvalidInput: see `Accounts.ensure_fit`.
            InsufficientAuthentication, Unauthenticated: see `FactorStepUp.ensure_standing`.
        """
        self.accounts.ensure_fit(email)
        async with self.db.begin() as tx:
            account = await self.step_up.ensure_standing(tx, caller)
            if account.email.normal != email.normal:
                by = _right_of(caller)
                await self.requests.add(tx, email, {"by": by}, user_id=caller.user_id)

    async def send_link(self, job: Job) -> None:
        """Do the job of `request`: send the link, or tell the owner of a known address about it."""
        email = Email.parse(job.payload["email"])
        account = job.user_id and await self.credentials.find_unlocked(job.user_id)
        if not account or account.email.normal == email.normal:
            return
        owner = await self.sign_ups.find_owner(email)
        contact = None if owner is None else await self.accounts.find_contact(self.db, owner)
        write = partial(self._write, account.id, contact)
        await self.requests.answer(job, write, partial(self._lend, account.id))

    async def confirm(self, caller: User, token: str, source: Source) -> None:
        """Change to the new address, by the token that was sent to it.

        Other links, which were sent to the old address, no longer open this account.

        Raises:
            InvalidLink: the token is not valid, or was sent for another account.
            EmailTaken: somebody else has registered with the address meanwhile.
            InsufficientAuthentication: a factor was added, which this session has not presented.
            FactorRequired: the role asks for a factor, which this session has not presented.
            Unauthenticated: see `Standing.ensure`.
        """
        if caller.is_restricted:
            raise FactorRequired
        user_id = caller.user_id
        async with self.db.begin() as tx:
            before = await self.standing.ensure(tx, caller)
            # Threat: a thief's session began the change, and the owner has added a factor since.
            await self.step_up.ensure_factor(caller, tx)
            link = await self.links.spend(tx, Kind.CHANGE_EMAIL, token)
            if link is None or link.email is None or link.user_id != user_id:
                raise InvalidLink  # rolled back: another user's token must stay unused
            email = link.email
            replaced = await self.sign_ups.give_way(tx, email)
            await self.accounts.change_email(tx, user_id, email)
            await self.links.kill(tx, user_id)
            await self._tell_old_address(tx, before, email, source)
            await self.audit.record(
                tx,
                action=Event.USER_EMAIL_CHANGED,
                actor_id=user_id,
                target_id=user_id,
                old={"email": mask_email(before.email.normal)},
                new={"email": mask_email(email.normal), **replaced_sign_up(replaced)},
                source=source,
            )

    async def _ensure_standing(self, tx: Tx, user_id: UUID, job: Job) -> Account | None:
        """Lock the account that asked; None if the right to ask has ended since.

        Threat: a stranger asks with another person's address, and its owner proves it meanwhile.
        """
        by = job.payload["by"]
        asked = User(
            user_id=user_id,
            session_id=UUID(by["session_id"]),
            generation=by["generation"],
            role=Role.USER,
            auth_time=job.created_at,
            amr=(),
            sub_gen=by["sub_gen"],
        )
        try:
            return await self.standing.ensure(tx, asked)
        except Unauthenticated:
            return None

    async def _lend(self, user_id: UUID, email: Email, write: Write) -> None:
        """Let each account have one spare link beyond the cap.

        Threat: somebody who asks for five changes to an address would otherwise lock out the
        account of its owner. The number of such accounts is limited, so that nobody fills a mailbox
        with two hundred mails.
        """
        if not await self._has_spare(self.db, user_id):  # checked again once it is locked
            await self.requests.cap.lend_for_tag(email.normal, write)

    async def _has_spare(self, db: Executor, user_id: UUID) -> bool:
        return await self.links.has_spare(db, user_id, Kind.CHANGE_EMAIL)

    async def _write(
        self, user_id: UUID, owner: Contact | None, tx: Tx, request: LinkRequest
    ) -> bool:
        # The account first: erasure locks it before the jobs that belong to it.
        account = await self._ensure_standing(tx, user_id, request.job)
        await request.job.finish(tx)
        if account is None or (request.is_spare and await self._has_spare(tx, user_id)):
            return False  # or another request of the user was faster
        await self._send(tx, account, request.email, owner, is_spare=request.is_spare)
        return True

    async def _send(
        self, tx: Tx, account: Account, email: Email, owner: Contact | None, *, is_spare: bool
    ) -> None:
        """Send the link. An owner of the address gets a notice instead, and nobody gets the link.

        Neither mail belongs to an account. Threat: the export of the requesting account would tell
        what becomes of it, which may differ, since it is another mail to another spelling of the
        address. And neither contains a name: the first could carry a stranger's text to any
        address, the second would outlive the erasure of the owner.
        """
        # The user wants this link instead, perhaps because the previous address was mistyped.
        await self.links.kill(tx, account.id, Kind.CHANGE_EMAIL)
        token = await self.links.issue(
            tx, account.id, Kind.CHANGE_EMAIL, email=email, is_spare=is_spare
        )
        content: mails.Content
        if owner is None:
            to = Recipient(email.typed, account.locale)
            content = mails.ChangeEmail(token=token)
        else:
            to = Recipient(owner.email.typed, owner.locale)
            content = mails.ChangeEmailTaken()
        await self.mail.send(tx, to, content, expires_at=self.links.expiry(is_spare=is_spare))

    async def _tell_old_address(
        self, tx: Tx, before: Account, email: Email, source: Source
    ) -> None:
        """Notify the old address: whoever took the account over may not be its owner."""
        new_email = mask_email(email.normal)
        notice = mails.EmailChanged(new_email=new_email, **source_in_words(source))
        await self.mail.send(tx, Recipient.of(before), notice)


def _right_of(caller: User) -> dict[str, Any]:
    """Return the basis of a request, for its job, which checks it again."""
    return {
        "session_id": str(caller.session_id),
        "generation": caller.generation,
        "sub_gen": caller.sub_gen,
    }
