"""Ending what is beyond the bound: from before there was one, or since it was lowered."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.accounts import locks
from keyfob.core.database import Database
from keyfob.sessions import upkeep_queries
from keyfob.sessions.service import Sessions


@dataclass(frozen=True)
class SessionTrimming:
    """Ends sessions beyond the bound, in small transactions, each with its trace."""

    db: Database
    sessions: Sessions
    users_at_once: int = 5000
    sessions_at_once: int = 1000

    async def run(self) -> None:
        """Look at every user who is signed in; several workers may do so at once."""
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
            return await self.sessions.make_room(tx, user_id, at_most=self.sessions_at_once)
