"""Two workers on one database."""

from collections.abc import AsyncIterator

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World

from keyfob.settings import Settings


@pytest.fixture
async def other(settings: Settings, clock: MovableClock, world: World) -> AsyncIterator[World]:
    """A second worker beside `world`."""
    async with World(settings, clock) as other:
        yield other


@pytest.fixture
async def pair(settings: Settings, clock: MovableClock) -> AsyncIterator[tuple[World, World]]:
    """Two workers with thirty connections between them."""
    wide = settings.model_copy(update={"database_pool_size": 15})
    async with World(wide, clock) as one, World(wide, clock) as two:
        yield one, two
