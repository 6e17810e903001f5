"""The room of statistics."""

from datetime import timedelta

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.rooms import Chore, Room
from keyfob.settings import Settings
from keyfob.statistics.service import Statistics


def build(*, settings: Settings, db: Database, clock: Clock) -> Room:
    """Build the statistics, with the chore that keeps their tallies."""
    idle_ttl = timedelta(seconds=settings.session_idle_ttl)
    statistics = Statistics(db=db, clock=clock, idle_ttl=idle_ttl)
    return Room(
        services=[statistics],
        chores=[
            Chore("statistics", 20, statistics.count),
            Chore("old statistics", 6 * 3600, statistics.delete_old),
        ],
    )
