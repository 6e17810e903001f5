"""The room of one-time tokens, which links in mails carry."""

from datetime import timedelta

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.rooms import Chore, Room
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.settings import Settings


def build(*, settings: Settings, db: Database, clock: Clock) -> Room:
    """Build the service that issues and uses them."""
    tokens = OneTimeTokens(db=db, clock=clock, ttl=timedelta(seconds=settings.link_ttl))
    return Room(services=[tokens], chores=[Chore("old links", 3600, tokens.clean_up)])
