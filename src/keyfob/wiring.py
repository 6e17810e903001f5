"""The rooms in order: each is built with the services of those before it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.core.feed import Feed
from keyfob.core.pagination import Cursors
from keyfob.core.polling import PolledFeed
from keyfob.core.rooms import Chore, Room, Services
from keyfob.outbox.running import OutboxRunner
from keyfob.outbox.service import Outbox
from keyfob.settings import Settings
from keyfob.worker import Worker

# A room imports only rooms before it: `make check` reads the order here. The API description shows
# their routes in the order of `app.TAGS`, and within a tag in this one.
ROOMS = (
    # Foundations
    "authority",
    "devices",
    "limits",
    "audit",
    "tokens",
    "passwords",
    "outbox",
    "accounts",
    "mail",
    "one_time_tokens",
    "sessions",
    "login_log",
    "clients",
    # Flows
    "mfa",
    "login",
    "proof",
    "registration",
    "recovery",
    "own_account",
    "api_keys",
    "administration",
    "statistics",
    "oauth",
    "revocation_feed",
    # Surfaces
    "admin",
    "health",
    "web",
)


@dataclass(frozen=True)
class Wiring:
    """The services of the app, and what it starts and stops."""

    db: Database
    feed: Feed
    rooms: Sequence[Room]
    services: Services
    runner: OutboxRunner
    worker: Worker

    async def start(self) -> None:
        """Open the pool and begin to listen; the database may still be down."""
        await self.db.open()
        await self.feed.start()
        await self.worker.start()
        await self.runner.start()

    def announce_stop(self) -> None:
        """End answers that would go on for ever: the server waits for all of them."""
        for room in self.rooms:
            if room.stopping is not None:
                room.stopping()

    async def stop(self) -> None:
        """Write data that is in memory, then release everything."""
        await self.runner.stop()
        await self.worker.stop()
        await self.feed.stop()
        await self.close()

    async def close(self) -> None:
        """Release resources that exist without a start: connections and threads."""
        for room in reversed(self.rooms):
            if room.close is not None:
                await room.close()
        await self.db.close()


def build(settings: Settings, clock: Clock) -> Wiring:
    """Build every room of complete settings, without opening anything yet.

    Raises:
        WrongSetting: a value cannot be used.
        NotThere: a room or a route asks for a service that no room before it brings.
    """
    secrets = SecretKeyring(settings.secret_keys)
    db, feed = _database(settings), _feed(settings)
    cursors = Cursors(secrets.derive("cursors"))
    services = Services(
        {
            Settings: settings,
            Clock: clock,
            SecretKeyring: secrets,
            Database: db,
            Feed: feed,
            Cursors: cursors,
        }
    )
    rooms = [services.build(import_module(f"keyfob.{name}.room").build) for name in ROOMS]
    for route in _routes_of(rooms):
        if hasattr(route, "dependant"):
            services.see_to(route.dependant)
    feed.hear_time(clock.follow)
    # From the last to the first: without keys no token is accepted, so none is before its
    # revocation is known.
    for room in reversed(rooms):
        if room.listen is not None:
            room.listen(feed)
        for kind, do in room.jobs.items():
            services[Outbox].handle(kind, do)
    chores = [chore for room in rooms for chore in room.chores]
    worker = Worker([*_chores(db), *chores], _last_of(rooms))
    return Wiring(db, feed, rooms, services, services[OutboxRunner], worker)


def _routes_of(rooms: Sequence[Room]) -> Iterator[Any]:
    for room in rooms:
        for router in room.routes:
            yield from router.routes


def _last_of(rooms: Sequence[Room]) -> Any:
    async def write() -> None:
        for room in rooms:
            if room.last is not None:
                await room.last()

    return write


def _chores(db: Database) -> list[Chore]:
    return [
        Chore("pool gauges", 5, db.measure),
        Chore("idle connections", 60, db.rest),
    ]


def _database(settings: Settings) -> Database:
    return Database(
        settings.dsn,
        pool_size=settings.database_pool_size,
        acquire_timeout=settings.database_acquire_timeout,
        command_timeout=settings.database_command_timeout,
        pooler=settings.database_pooler,
    )


def _feed(settings: Settings) -> Feed:
    timeout = settings.database_acquire_timeout
    if settings.polls:
        return PolledFeed(settings.dsn, timeout=timeout, pooler=settings.database_pooler)
    return Feed(settings.direct_dsn, timeout=timeout)
