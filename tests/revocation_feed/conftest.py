"""A reader of the feed, and a second worker."""

from collections.abc import AsyncIterator

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.feed import Follower, token_of_reader
from tests.fixtures.world import World

from keyfob.settings import Settings


@pytest.fixture
async def other(settings: Settings, clock: MovableClock, world: World) -> AsyncIterator[World]:
    """A second worker beside `world`."""
    async with World(settings, clock) as other:
        yield other


@pytest.fixture
async def follower(world: World) -> Follower:
    """A service that has read everything so far."""
    follower = Follower(world, await token_of_reader(world))
    await follower.poll()
    return follower
