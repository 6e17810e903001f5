"""Mails that an administrator's changes cause. No administrator sees a token."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.accounts.models import Account
from keyfob.core.database import Tx
from keyfob.core.telemetry import mask_email
from keyfob.devices.device import NOWHERE
from keyfob.mail import mails
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.recovery.service import Recovery
from keyfob.registration.verification import VerificationLinks


@dataclass(frozen=True, kw_only=True)
class Letters:
    """Writes to the users whose accounts are administered; joins the transaction of the change.

    `verification` is None if addresses need not be verified.
    """

    recovery: Recovery
    verification: VerificationLinks | None
    links: OneTimeTokens
    mail: Mail

    async def invite(self, tx: Tx, account: Account) -> None:
        """Send a link for choosing the first password, which also verifies the address."""
        await self.recovery.invite(tx, account)

    async def start_recovery(self, tx: Tx, account: Account) -> None:
        """Send a link for choosing a new password, as if the user had asked for it."""
        await self.recovery.send(tx, account)

    async def ask_for_proof(self, tx: Tx, account: Account) -> None:
        """Send a link for verifying the address, if that is asked for."""
        if self.verification and account.is_active:  # no link of a blocked account is valid
            await self.verification.send(tx, Recipient.of(account))

    async def kill_links(self, tx: Tx, user_id: UUID) -> None:
        """Invalidate every link of an account: none from before a block is valid after it."""
        await self.links.kill_all(tx, user_id)

    async def follow_move(self, tx: Tx, before: Account, account: Account) -> None:
        """Handle a change of address: tell the reader of the old one and verify the new one.

        Links to the old address stay valid, but no longer for this account; its other links are
        invalidated, and those that somebody else requested who had the new address before.
        """
        await self.links.kill_all(tx, account.id)
        notice = mails.EmailChanged(new_email=mask_email(account.email.normal), **NOWHERE)
        await self.mail.send(tx, Recipient.of(before), notice)
        await self.ask_for_proof(tx, account)
