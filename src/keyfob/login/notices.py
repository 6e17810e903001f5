"""What happens when somebody has signed in: it is written down, and the owner may have to know."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.core.database import Tx
from keyfob.core.origin import Origin
from keyfob.login.log import LoginLog
from keyfob.login.models import Reason, Seen


@dataclass(frozen=True)
class Notices:
    """Writes each sign-in, whatever proved it, into the login log."""

    log: LoginLog

    async def of_sign_in(
        self,
        tx: Tx,
        user_id: UUID,
        reason: Reason,
        origin: Origin,
        session_id: UUID,
        seen: Seen | None = None,
    ) -> None:
        """Write a sign-in, in the transaction that opens its session.

        `seen` is what the log knew before, where it was asked already; else it is asked here.
        """
        await self.log.succeeded(tx, user_id, reason, origin, session_id)
