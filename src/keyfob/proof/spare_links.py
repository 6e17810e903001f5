"""Whether a link goes out although its mailbox has had enough of such."""

from dataclasses import dataclass
from enum import Enum, auto

from keyfob.core.database import Database
from keyfob.links.models import Kind
from keyfob.links.service import OneTimeTokens
from keyfob.mail.caps import Cap
from keyfob.users.credentials import Credentials
from keyfob.users.email import Email


class Allowance(Enum):
    """What link somebody who asks for one may be sent."""

    WITHIN_CAP = auto()
    SPARE = auto()  # the one of an account that lives six hours (`OneTimeTokens.has_spare`)
    NONE = auto()


@dataclass(frozen=True)
class SpareLinks:
    """Lets one link to each account go out beyond the cap, so that nobody uses up an owner's.

    Tags of a mailbox whose accounts are not proven share a bound. Threat: whoever signs up with two
    hundred tags would else have two hundred links sent to that mailbox. An account at such a tag is
    one mail of that bound, however often somebody asks; a tag without an account is none.
    """

    db: Database
    credentials: Credentials
    links: OneTimeTokens

    async def allow(
        self, cap: Cap, email: Email, kind: Kind, *, adds_account: bool = False
    ) -> Allowance:
        """Count one mail that was asked for; call it before the transaction that sends it.

        Args:
            cap: of the mails of this sort.
            email: whom it would go to.
            kind: of the link.
            adds_account: a mail goes out even if there is no account yet.

        Raises:
            Unavailable: the store of the limits is away.
        """
        if await cap.allows(email.normal):
            return Allowance.WITHIN_CAP
        if not cap.is_tag(email.normal):
            return Allowance.SPARE
        account = await self.credentials.find_by_email(self.db, email)
        if account is None and not adds_account:
            return Allowance.NONE
        if account is not None:
            if account["is_verified"]:
                return Allowance.SPARE
            if await self.links.has_spare(self.db, account["id"], kind):
                return Allowance.NONE
        return Allowance.SPARE if await cap.allows_for_tag(email.normal) else Allowance.NONE
