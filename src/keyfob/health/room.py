"""The room of health checks, and of the state of the service."""

from keyfob.administration.unproven import Unproven
from keyfob.audit.watch import ChainWatch
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.feed import Feed
from keyfob.core.rooms import Room
from keyfob.health import routes, service_routes
from keyfob.health.checks import Checks
from keyfob.health.service import Health
from keyfob.health.state import Watch
from keyfob.limits.local import LocalRate
from keyfob.limits.models import Rule
from keyfob.limits.store import PostgresStore, Store, Trial
from keyfob.mail.delivery import Delivery
from keyfob.outbox.service import Outbox
from keyfob.settings import Settings
from keyfob.statistics.service import Statistics
from keyfob.tokens.keyring import Keyring


def build(
    *,
    settings: Settings,
    db: Database,
    feed: Feed,
    clock: Clock,
    store: Store,
    keyring: Keyring,
    outbox: Outbox,
    chain: ChainWatch,
    statistics: Statistics,
    unproven: Unproven,
    delivery: Delivery,
) -> Room:
    """Build the checks of readiness: of everything that requests need beside reading."""
    trials = {"writes": Trial(PostgresStore(db, clock))}
    if settings.limits == "on" and settings.limit_store is not None:
        trials["limit_store"] = Trial(store)
    health = Health(db, feed, trials)
    is_limited = settings.limits == "on"
    check_ups = Rule.parse("check-ups", "6/minute") if is_limited else Rule("check-ups")
    checks = Checks(
        settings=settings,
        db=db,
        health=health,
        keyring=keyring,
        unproven=unproven,
        delivery=delivery,
        rate=LocalRate(check_ups, clock),
    )
    watch = Watch(
        settings=settings,
        db=db,
        feed=feed,
        keyring=keyring,
        outbox=outbox,
        chain=chain,
        statistics=statistics,
    )
    return Room(services=[health, checks, watch], routes=[routes.routes, service_routes.routes])
