""""""

import pytest
from tests.fixtures.world import SignedIn, World


@pytest.fixture
async def ada(world: World) -> SignedIn:
    await world.make_user(name="Ada Lovelace")
    return await world.log_in()
