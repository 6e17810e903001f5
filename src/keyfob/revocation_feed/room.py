"""The room of the revocation feed."""

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.pagination import Cursors
from keyfob.core.rooms import Room
from keyfob.revocation_feed import routes
from keyfob.revocation_feed.service import RevocationFeed, kind_of
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.signing import SignedTokens


def build(
    *, settings: Settings, db: Database, clock: Clock, keyring: Keyring, cursors: Cursors
) -> Room:
    """Build the feed."""
    issuer = settings.issuer_url
    signed = SignedTokens(keyring, clock, issuer=issuer, kind=kind_of(issuer))
    feed = RevocationFeed(db=db, clock=clock, signed=signed, cursors=cursors)
    return Room(services=[feed], routes=[routes.routes])
