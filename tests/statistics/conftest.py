"""An administrator, who reads."""

import pytest
from tests.fixtures.world import SignedIn, World


@pytest.fixture
async def admin(world: World) -> SignedIn:
    return await world.make_admin()
