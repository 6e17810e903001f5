"""The service as the abuse list meets it."""

from collections.abc import Iterator

import pytest
from tests.fixtures.logs import Log, captured_log
from tests.fixtures.world import SignedIn, World

from keyfob.settings import Settings


@pytest.fixture
def limited(settings: Settings) -> Settings:
    """The settings with limits as they are by default."""
    return settings.model_copy(update={"limits": "on"})


@pytest.fixture
async def admin(world: World) -> SignedIn:
    return await world.make_admin()


@pytest.fixture
def log() -> Iterator[Log]:
    with captured_log() as log:
        yield log
