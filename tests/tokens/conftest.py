"""A keyring and what signs with it, without the service around."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.fixtures.clock import MovableClock

from keyfob.core.database import Database
from keyfob.core.encryption import Box, SecretKeyring
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.signing import AccessTokens

SECRET = "a secret key that only the tests know"

MakeKeyring = Callable[..., Keyring]
MakeTokens = Callable[[Keyring], AccessTokens]


@pytest.fixture
def make_keyring(db: Database, clock: MovableClock) -> MakeKeyring:
    """Build a keyring as a worker has it; several on one database are several workers."""

    def make(
        algorithm: str = "EdDSA", *secrets: str, publish_ahead: timedelta = timedelta(hours=1)
    ) -> Keyring:
        return Keyring(
            db,
            Box(SecretKeyring(secrets or (SECRET,)).derive("signing keys")),
            clock,
            algorithm=algorithm,
            token_ttl=timedelta(minutes=5),
            rotate_after=timedelta(days=90),
            publish_ahead=publish_ahead,
        )

    return make


@pytest.fixture
def make_tokens(clock: MovableClock) -> MakeTokens:
    """Build what signs and verifies with a keyring."""

    def make(keyring: Keyring) -> AccessTokens:
        return AccessTokens(
            keyring, clock, issuer="https://id.example/auth", audience="keyfob", ttl=300
        )

    return make
