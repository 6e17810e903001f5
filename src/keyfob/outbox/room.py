"""The room of the outbox."""

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import Box, SecretKeyring
from keyfob.core.feed import Feed
from keyfob.core.rooms import Chore, Room
from keyfob.outbox.running import OutboxRunner, Pace
from keyfob.outbox.service import Outbox
from keyfob.settings import Settings


def build(*, settings: Settings, db: Database, secrets: SecretKeyring, clock: Clock) -> Room:
    """Build the outbox and its runner; rooms declare their handlers in `jobs`."""
    outbox = Outbox(db=db, box=Box(secrets.derive("outbox")), clock=clock)
    runner = OutboxRunner(outbox, Pace(poll=1.0 if settings.polls else 5.0))

    def listen(feed: Feed) -> None:
        feed.hear("outbox", runner.wake)

    return Room(
        services=[outbox, runner],
        chores=[
            Chore("outbox gauges", 15, outbox.measure),
            Chore("old dead letters", 3600, outbox.delete_old),
        ],
        listen=listen,
    )
