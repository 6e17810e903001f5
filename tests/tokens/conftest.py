"""A keyring and the services that sign with it, without the rest of the service."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.hostile import (
    Sign,
)
from tests.tokens.keys import CLAIMS, id_token_key

from keyfob.core.database import Database
from keyfob.core.encryption import Box, SecretKeyring
from keyfob.tokens import algorithms
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.id_tokens import ID_TOKEN_ALGORITHMS, IdTokens
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import SigningKey

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
    """Build the services that sign and verify with a keyring."""

    def make(keyring: Keyring) -> AccessTokens:
        return AccessTokens(
            keyring,
            clock,
            issuer="https://id.example/auth",
            audience="keyfob",
            ttl=300,
            box=Box(SecretKeyring([SECRET]).derive("roles in tokens")),
        )

    return make


@pytest.fixture
def keyring(clock: MovableClock) -> Keyring:
    """Return a keyring with one key and no database: a query would be another kind of error."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key()
    ring = Keyring(
        Database("postgresql://nobody@nowhere.invalid/none"),
        Box(SecretKeyring(["unused"]).derive("signing keys")),
        clock,
        algorithm="EdDSA",
        token_ttl=timedelta(seconds=300),
        rotate_after=timedelta(days=90),
        publish_ahead=timedelta(hours=1),
    )
    jwk = algorithms.to_jwk("EdDSA", "a kid", public)
    ring.hold([SigningKey(1, "a kid", "EdDSA", jwk, START, START, None, public, private)])
    return ring


@pytest.fixture
def tokens(keyring: Keyring, make_tokens: MakeTokens) -> AccessTokens:
    return make_tokens(keyring)


@pytest.fixture
def id_tokens(keyring: Keyring, clock: MovableClock) -> IdTokens:
    """Return the service of ID tokens, with a key of each algorithm."""
    keyring.id_tokens.hold([id_token_key(algorithm) for algorithm in ID_TOKEN_ALGORITHMS])
    return IdTokens(keyring, clock, issuer="https://id.example/auth")


@pytest.fixture
def genuine(tokens: AccessTokens) -> str:
    return tokens.issue(CLAIMS)[0]


@pytest.fixture
def insider(keyring: Keyring) -> Sign:
    """Sign with the real key, so that only the content is wrong."""
    key = keyring.active().private_key
    assert isinstance(key, Ed25519PrivateKey)
    return key.sign
