"""The room of signing keys, and of tokens that they sign."""

from datetime import timedelta
from functools import partial

from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import Box, SecretKeyring
from keyfob.core.feed import Feed
from keyfob.core.rooms import Chore, Room
from keyfob.settings import Settings
from keyfob.tokens import routes
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.id_tokens import IdTokens
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.logout_tokens import LogoutTokens


def build(
    *, settings: Settings, db: Database, secrets: SecretKeyring, clock: Clock, audit: Audit
) -> Room:
    """Build the keyring and the services that sign with it, without loading any keys yet."""
    keyring = Keyring(
        db,
        Box(secrets.derive("signing keys")),
        clock,
        algorithm=settings.signing_algorithm,
        token_ttl=timedelta(seconds=settings.access_token_ttl),
        rotate_after=timedelta(days=settings.key_rotation_days),
        publish_ahead=timedelta(seconds=settings.key_publish_ahead),
        record=partial(audit.record_own, action=Event.SIGNING_KEY_ROTATED),
    )
    tokens = AccessTokens(
        keyring,
        clock,
        issuer=settings.issuer_url,
        audience=settings.audience,
        ttl=settings.access_token_ttl,
        box=Box(secrets.derive("roles in tokens")),
    )

    def listen(feed: Feed) -> None:
        feed.poll_with(keyring.poll)
        feed.hear_and_reload("keys", keyring.load)

    return Room(
        services=[
            keyring,
            tokens,
            IdTokens(keyring, clock, issuer=settings.issuer_url),
            LogoutTokens(keyring, clock, issuer=settings.issuer_url),
        ],
        routes=[routes.routes],
        chores=[
            Chore("key rotation", 60, keyring.rotate_when_due, at_start=True),
            # Not at the start: an RSA key takes long, and the first one can wait.
            Chore("rotation of ID tokens' keys", 60, keyring.rotate_id_tokens_when_due),
        ],
        listen=listen,
    )
