"""A user's second factors: which there are, and whether one was shown."""

from dataclasses import dataclass
from uuid import UUID

from asyncpg import Record

from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.encryption import Box
from keyfob.mfa import queries


@dataclass(frozen=True)
class Factors:
    """The factors of users. Begun and not yet confirmed is no factor."""

    db: Database
    box: Box
    clock: Clock

    async def list(self, db: Executor, user_id: UUID) -> list[Record]:
        """Return a user's factors (id, type, name, created_at, last_used_at), oldest first."""
        return await queries.list_factors(db, user_id)

    async def has_any(self, db: Executor, user_id: UUID) -> bool:
        """Tell whether a user has a factor."""
        return await queries.has_factor(db, user_id)

    async def remove_all(self, tx: Tx, user_id: UUID) -> int:
        """Remove all factors and recovery codes of a user; return how many factors it were."""
        return await queries.delete_factors(tx, user_id)
