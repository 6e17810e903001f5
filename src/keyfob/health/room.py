"""The room of health checks."""

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.feed import Feed
from keyfob.core.rooms import Room
from keyfob.health import routes
from keyfob.health.service import Health
from keyfob.limits.store import PostgresStore, Store, Trial
from keyfob.settings import Settings


def build(*, settings: Settings, db: Database, feed: Feed, clock: Clock, store: Store) -> Room:
    """Build the checks of readiness: of everything that requests need beside reading."""
    trials = {"writes": Trial(PostgresStore(db, clock))}
    if settings.limits == "on" and settings.limit_store is not None:
        trials["limit_store"] = Trial(store)
    return Room(services=[Health(db, feed, trials)], routes=[routes.routes])
