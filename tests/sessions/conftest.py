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
