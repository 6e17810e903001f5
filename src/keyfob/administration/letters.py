"""The mails that go out because of what an administrator does. No administrator sees a token."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.accounts.models import Account
from keyfob.core.database import Tx
from keyfob.core.telemetry import mask_email
from keyfob.mail.models import Recipient, Template
from keyfob.mail.service import Mail
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.recovery.service import Recovery
from keyfob.registration.verification import VerificationLinks


@dataclass(frozen=True, kw_only=True)
class Letters:
    """Writes to the users whose accounts are administered; joins the transaction of the change.

    `verification` is None where addresses need no proof.
    """

    recovery: Recovery
    verification: VerificationLinks | None
    links: OneTimeTokens
    mail: Mail

    async def invite(self, tx: Tx, account: Account) -> None:
        """Send a link by which somebody chooses the first password, and takes the account."""
        await self.recovery.send(tx, account, Template.INVITE)

    async def start_recovery(self, tx: Tx, account: Account) -> None:
        """Send a link by which a new password is chosen, as if its user had asked."""
        await self.recovery.send(tx, account, Template.RECOVER)

    async def ask_for_proof(self, tx: Tx, account: Account) -> None:
        """Send a link that proves the address, where that is asked for."""
        if self.verification and account.is_active:  # else no link is good
            to = Recipient(account.email.typed, account.locale, account.id)
            await self.verification.send(tx, to)

    async def kill_links(self, tx: Tx, user_id: UUID) -> None:
        """Make every link of an account worthless: none from before a block is good after it."""
        await self.links.kill_all(tx, user_id)

    async def follow_move(self, tx: Tx, before: Account, account: Account) -> None:
        """Do what another address asks for: the reader of the old one is told.

        Links to the old one live on, but open this account no more; its others die.
        """
        await self.links.kill(tx, account.id)
        await self.mail.send(
            tx,
            Recipient(
                before.email.typed, account.locale, account.id, account.name, before.is_verified
            ),
            Template.EMAIL_CHANGED,
            {"new_email": mask_email(account.email.normal)},
        )
        await self.ask_for_proof(tx, account)
