"""How many sessions a user may have at once."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from keyfob.core.clock import Clock
from keyfob.core.database import Tx
from keyfob.core.telemetry import SESSIONS_ENDED
from keyfob.sessions import ending_queries
from keyfob.sessions.models import Ending, EndReason
from keyfob.sessions.revocations import Revocations

# Of one sign-in: where there are more, as from before there was a bound, a chore ends the rest.
_AT_ONCE = 200


@dataclass(frozen=True)
class SessionBound:
    """Ends the least recently active sessions of a user who has more than the `most`."""

    revocations: Revocations
    clock: Clock
    idle_ttl: timedelta
    most: int

    async def make_room(
        self, tx: Tx, user_id: UUID, newest: UUID | None = None, *, at_most: int = _AT_ONCE
    ) -> tuple[int, Ending | None]:
        """End what is beyond, but never the `newest`, in one statement.

        Returns how many, and what to write down. Sign-ins at the same moment end different ones;
        what they leave beyond, as many at most as there were at once, the next sign-in ends.
        """
        now = self.clock.now()
        ids = await ending_queries.end_beyond(
            tx,
            user_id,
            now=now,
            idle_since=now - self.idle_ttl,
            newest=newest,
            most=self.most,
            at_most=at_most,
            issued_after=self.revocations.issued_after(now),
            expires_at=self.revocations.expiry(now),
        )
        if not ids:
            return 0, None
        SESSIONS_ENDED.labels(EndReason.TOO_MANY).inc(len(ids))
        return len(ids), Ending(user_id, EndReason.TOO_MANY, ids[0] if len(ids) == 1 else None)
