"""The service of the tests of the abuse list."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.fixtures.hostile import (
    Sign,
)
from tests.fixtures.logs import Log, captured_log
from tests.fixtures.world import SignedIn, World

from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring


@pytest.fixture
def limited(settings: Settings) -> Settings:
    """The settings with the default limits."""
    return settings.model_copy(update={"limits": "on"})


@pytest.fixture
async def admin(world: World) -> SignedIn:
    return await world.make_admin()


@pytest.fixture
def log() -> Iterator[Log]:
    with captured_log() as log:
        yield log


@pytest.fixture
async def ada(world: World) -> SignedIn:
    await world.make_user()
    return await world.log_in()


@pytest.fixture
def insider(world: World) -> Sign:
    """Sign with the real key, so that only the content is wrong."""
    key = world.service(Keyring).active().private_key
    assert isinstance(key, Ed25519PrivateKey)
    return key.sign
