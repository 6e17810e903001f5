"""The room of the revocation feed."""

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.pagination import Cursors
from keyfob.core.rooms import Room
from keyfob.revocation_feed import routes
from keyfob.revocation_feed.service import RevocationFeed, kind_of
from keyfob.revocation_feed.streams import RevocationStreams
from keyfob.sessions.revocations import Revocations
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.signing import SignedTokens


def build(
    *,
    settings: Settings,
    db: Database,
    clock: Clock,
    keyring: Keyring,
    cursors: Cursors,
    revocations: Revocations,
) -> Room:
    """Build the feed and its streams, which look at the database when a revocation is heard of."""
    issuer = settings.issuer_url
    signed = SignedTokens(keyring, clock, issuer=issuer, kind=kind_of(issuer))
    feed = RevocationFeed(db=db, clock=clock, signed=signed, cursors=cursors)
    streams = RevocationStreams(feed=feed, most=settings.revocation_streams)
    revocations.on_change.append(streams.wake)
    keyring.on_change.append(streams.wake)
    return Room(
        services=[feed, streams],
        routes=[routes.routes],
        stopping=streams.stop,
        close=streams.close,
    )
