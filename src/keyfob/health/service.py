"""What readiness means: the database answers, the schema is at head, the feed is heard."""

import asyncio
from dataclasses import dataclass

from keyfob.core import queries
from keyfob.core.database import Database
from keyfob.core.feed import Feed
from keyfob.core.problems import DatabaseUnavailable

_ANSWER_WITHIN = 2.0


@dataclass(frozen=True)
class Readiness:
    """Each part, and whether it is well."""

    database: bool
    migrations: bool
    revocation_feed: bool

    @property
    def is_ready(self) -> bool:
        return self.database and self.migrations and self.revocation_feed


@dataclass(frozen=True)
class Health:
    """Asks the parts."""

    db: Database
    feed: Feed
    head: str

    async def check(self) -> Readiness:
        """Return how the parts are; never raises, never takes longer than two seconds."""
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                version = await queries.find_schema_version(self.db)
        except (DatabaseUnavailable, TimeoutError):
            return Readiness(False, False, self.feed.is_live)
        # A newer schema is well: the release that made it keeps the one before it running.
        return Readiness(True, version is not None and version >= self.head, self.feed.is_live)
