"""The state of the service, and what needs attention: typed, for the console and the API."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from keyfob import __version__
from keyfob.audit.watch import ChainState, ChainWatch
from keyfob.core.database import Database
from keyfob.core.feed import Feed, count_listeners
from keyfob.core.queries import read_server_version
from keyfob.health.schema import Schema, judge_schema
from keyfob.outbox.models import Amounts
from keyfob.outbox.service import Outbox
from keyfob.settings import Settings
from keyfob.statistics.models import Present
from keyfob.statistics.service import Statistics
from keyfob.tokens.keyring import Keyring


class Need(StrEnum):
    """Something that an administrator should look at."""

    DEAD_LETTERS = "dead_letters"
    SIGNING_KEY_DUE = "signing_key_due"
    FEED_AWAY = "feed_away"
    ADMINS_WITHOUT_FACTOR = "admins_without_factor"
    AUDIT_CHAIN_BROKEN = "audit_chain_broken"
    LIMITS_OFF = "limits_off"
    MAIL_ONLY_KEPT = "mail_only_kept"


class Attention(NamedTuple):
    """A need, and a number: how many there are, or the position of the break."""

    need: Need
    amount: int = 1


class State(NamedTuple):
    """The state of the service.

    Args:
        at: the time of the answer.
        version: the release of this worker.
        schema: the schema of the database, judged for this release.
        database: the version of the server.
        workers: the workers of all instances that listen to the database.
        is_feed_live: whether this worker hears revocations.
        outbox: the waiting jobs and dead letters.
        chain: the chain of the audit log.
        present: the present figures.
    """

    at: datetime
    version: str
    schema: Schema
    database: str
    workers: int
    is_feed_live: bool
    outbox: Amounts
    chain: ChainState
    present: Present


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Looks at the state of the service."""

    settings: Settings
    db: Database
    feed: Feed
    keyring: Keyring
    outbox: Outbox
    chain: ChainWatch
    statistics: Statistics

    async def state(self) -> State:
        """Return the state.

        Raises:
            Unavailable: the database does not answer, or too many ask.
        """
        return State(
            at=self.chain.audit.clock.now(),
            version=__version__,
            schema=await judge_schema(self.db),
            database=await read_server_version(self.db),
            workers=await count_listeners(self.db),
            is_feed_live=self.feed.is_live,
            outbox=await self.outbox.count_jobs(),
            chain=await self.chain.state(),
            present=await self.statistics.present(),
        )

    def needs(self, state: State) -> list[Attention]:
        """Return what needs attention, the worst first."""
        asked = [
            Attention(Need.AUDIT_CHAIN_BROKEN, state.chain.broken_at or 0),
            Attention(Need.FEED_AWAY, int(not state.is_feed_live)),
            Attention(Need.SIGNING_KEY_DUE, int(self.keyring.is_overdue)),
            Attention(Need.ADMINS_WITHOUT_FACTOR, state.present.admins_without_factor),
            Attention(Need.DEAD_LETTERS, state.outbox.dead),
            Attention(Need.LIMITS_OFF, int(self.settings.limits == "off")),
            Attention(Need.MAIL_ONLY_KEPT, int(self.settings.smtp_url is None)),
        ]
        return [one for one in asked if one.amount != 0]
