"""Old sessions go by themselves."""

from dataclasses import dataclass
from datetime import timedelta

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.sessions import upkeep_queries


@dataclass(frozen=True)
class SessionCleanup:
    """Deletes spent revocations, and sessions that ended long ago, so many `at_once`."""

    db: Database
    clock: Clock
    retention: timedelta
    at_once: int = 5000

    async def run(self) -> None:
        """Delete in small batches, so that no lock is held for long."""
        now = self.clock.now()
        while (
            await upkeep_queries.delete_old(self.db, now, now - self.retention, self.at_once)
            >= self.at_once
        ):
            pass
