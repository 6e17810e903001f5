"""Whether a link goes out although its mailbox has had enough of such."""

from dataclasses import dataclass
from enum import Enum, auto

from keyfob.core.database import Database
from keyfob.links.models import Kind
from keyfob.mail.caps import Cap
from keyfob.users.credentials import Credentials
from keyfob.users.email import Email
from keyfob.users.models import Status


class Allowance(Enum):
    """What link somebody who asks for one may be sent."""

    WITHIN_CAP = auto()
    SPARE = auto()  # the one of an address that lives six hours
    NONE = auto()


@dataclass(frozen=True)
class SpareLinks:
    """Lets one link to each address go out beyond the cap, so that nobody uses up an owner's.

    It lives as long as it is until the next, and opens whatever account the address has by then
    (`links.queries`): so who meets the cap, or gives the address one account after another, has put
    into the owner's mailbox what the owner needs, and no more than that.

    Tags of a mailbox whose accounts are not proven share a bound. Threat: whoever signs up with two
    hundred tags would else have two hundred links sent to that mailbox.
    """

    db: Database
    credentials: Credentials

    async def allow(
        self, cap: Cap, email: Email, kind: Kind, *, signs_up: bool = False
    ) -> Allowance:
        """Count one mail that was asked for; call it before the transaction that sends it.

        What would send no link beyond the cap is not counted as one.

        Args:
            cap: of the mails of this sort.
            email: whom it would go to.
            kind: of the link.
            signs_up: it goes to a sign-up, which there may be or is to be.

        Raises:
            Unavailable: the store of the limits is away.
        """
        if await cap.allows(email.normal):
            return Allowance.WITHIN_CAP
        account = await self.credentials.find_by_email(self.db, email)
        if account is None:
            sends = signs_up
        elif signs_up:
            sends = await self.credentials.is_waiting(self.db, account.id)
        else:
            needs_one = kind is Kind.RECOVER or not account.is_verified
            sends = needs_one and account.status is Status.ACTIVE
        proven = account is not None and account.is_verified
        if sends and await cap.allows_spare(email.normal, proven=proven):
            return Allowance.SPARE
        return Allowance.NONE
