"""Maintenance of sessions: old ones are deleted, and those that the settings forbid ended."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from keyfob.accounts import locks
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.sessions import upkeep_queries
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions


@dataclass(frozen=True, kw_only=True)
class SessionCleanup:
    """Deletes expired revocations, and sessions that ended long ago, `at_once` at a time."""

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


@dataclass(frozen=True, kw_only=True)
class SessionTrimming:
    """Ends sessions beyond the limit, in small transactions, and records each end.

    They are from before there was a limit, or before it was lowered.
    """

    db: Database
    sessions: Sessions
    users_at_once: int = 5000
    sessions_at_once: int = 1000

    async def run(self) -> None:
        """Check every user who is signed in; several workers may do so at once."""
        last: UUID | None = None
        while True:
            crowded, last = await upkeep_queries.list_crowded(
                self.db, last, self.sessions.most, self.users_at_once
            )
            for user_id in crowded:
                while await self._end_some(user_id) == self.sessions_at_once:
                    pass
            if last is None:
                return

    async def _end_some(self, user_id: UUID) -> int:
        async with self.db.begin() as tx:
            await locks.lock(tx, user_id)
            return await self.sessions.end_excess(tx, user_id, at_most=self.sessions_at_once)


@dataclass(frozen=True, kw_only=True)
class UnverifiedEnding:
    """Ends the sessions and API keys of accounts whose address is not verified, though it must be.

    They are from before `KEYFOB_VERIFY_EMAIL` was `required`. Threat: a stranger goes on using an
    account at somebody's address for as long as sessions live.
    """

    db: Database
    sessions: Sessions
    clock: Clock
    at_once: int = 500

    async def run(self) -> None:
        """Check every account; several workers may do so at once."""
        last: UUID | None = None
        while True:
            found = await upkeep_queries.list_unverified(
                self.db, last, self.clock.now(), self.at_once
            )
            for user_id in found:
                await self._end_all(user_id)
            if len(found) < self.at_once:
                return
            last = found[-1]

    async def _end_all(self, user_id: UUID) -> None:
        async with self.db.begin() as tx:
            account = await locks.lock(tx, user_id)
            if account is not None and not account.is_verified:
                await self.sessions.end_all(tx, user_id, EndReason.UNVERIFIED)
