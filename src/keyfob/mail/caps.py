"""How many mails strangers can have sent to one address."""

from dataclasses import dataclass

import structlog

from keyfob.core.telemetry import MAILS_CAPPED, mask_email
from keyfob.limits.models import Rule
from keyfob.limits.store import Store

log = structlog.get_logger("keyfob.mail")


@dataclass(frozen=True)
class Cap:
    """Counts the mails that anyone can ask for, per address; threat: mail bombing."""

    rule: Rule
    store: Store

    async def allows(self, address_normal: str) -> bool:
        """Count one mail to an address (in its normal form); False if it has had enough.

        Then the mail is not sent, and whoever asked for it is told the same as ever.

        Raises:
            Unavailable: the store of the limits is away.
        """
        windows = self.rule.windows(address_normal)
        if not windows or (await self.store.count_attempt(windows)).counted:
            return True
        MAILS_CAPPED.inc()
        log.warning("mail_capped", to=mask_email(address_normal))
        return False
