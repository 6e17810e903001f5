"""Whether a link goes out although its mailbox has had enough of such."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.email import Email
from keyfob.accounts.models import Status
from keyfob.limits.mail_caps import Cap
from keyfob.one_time_tokens.models import Kind

Write: TypeAlias = Callable[[bool], Awaitable[bool]]
"""Writes a link, within the cap or beyond it; returns whether there was whom to send it to."""


@dataclass(frozen=True, kw_only=True)
class SpareLinks:
    """Lets one link to each address go out beyond the cap, so that nobody uses up an owner's.

    It lives as long as it is until the next, and opens whatever account the address has by then
    (`one_time_tokens.queries`): so who meets the cap, or gives the address one account after
    another, has put into the owner's mailbox what the owner needs, and no more than that.

    An account that somebody has proven, or an administrator made, has one of its own there: such a
    link from before opens it no more, or died with the sign-up that gave way to it.

    Tags of a mailbox whose accounts are not proven share a bound. Threat: whoever signs up with two
    hundred tags would else have two hundred links sent to that mailbox.
    """

    credentials: Credentials

    async def send(
        self, cap: Cap, email: Email, kind: Kind, write: Write, *, signs_up: bool = False
    ) -> None:
        """Count one mail that was asked for, and have it written unless there were enough.

        What sends no link beyond the cap is not counted as one.

        Args:
            cap: of the mails of this sort.
            email: whom it would go to.
            kind: of the link.
            write: begins the transaction that sends it.
            signs_up: it goes to a sign-up, which there may be or is to be.

        Raises:
            Unavailable: the store of the limits is away.
        """
        if await cap.allows(email.normal):
            await write(True)
            return
        account = await self.credentials.find_address_owner(email)
        if account is None:
            sends = signs_up
        elif signs_up:
            sends = await self.credentials.is_waiting(account.id)
        else:
            needs_one = kind is Kind.RECOVER or not account.is_verified
            sends = needs_one and account.status is Status.ACTIVE
        if sends:
            await cap.lend_spare(
                email.normal,
                partial(write, False),
                proven=account is not None and account.is_verified,
                owner=None if account is None or account.is_strangers else account.id,
            )
