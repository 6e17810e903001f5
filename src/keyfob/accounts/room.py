"""The room of accounts."""

from datetime import timedelta

from keyfob.accounts import routes
from keyfob.accounts.credentials import Credentials
from keyfob.accounts.profiles import Profiles
from keyfob.accounts.service import Accounts
from keyfob.authority.models import Role
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.feed import Feed
from keyfob.core.rooms import Room
from keyfob.settings import Settings

# How long `GET /me` may be answered from memory: where changes are heard, and where not.
_HEARD, _UNHEARD = timedelta(seconds=3), timedelta(seconds=1)


def build(*, settings: Settings, db: Database, feed: Feed, clock: Clock) -> Room:
    """Build the services that keep accounts, and the memory of `GET /me`."""
    requires_verified = settings.verify_email == "required"
    profiles = Profiles(
        db,
        clock,
        online_within=timedelta(seconds=settings.activity_idle_gap),
        remembered=_UNHEARD if settings.polls else _HEARD,
        hears_changes=lambda: feed.is_live,
    )
    accounts = Accounts(
        db=db,
        clock=clock,
        profiles=profiles,
        # Factors need a verified address, too.
        admins_need_proof=requires_verified or Role.ADMIN in settings.require_mfa_for,
        takes_local=settings.local_email,
    )
    credentials = Credentials(db=db, clock=clock, requires_verified=requires_verified)

    def listen(feed: Feed) -> None:
        feed.hear("user", profiles.hear)

    return Room(services=[accounts, credentials, profiles], routes=[routes.routes], listen=listen)
