"""Ada, who has an account, and an address that she could change to."""

from uuid import UUID

import pytest
from tests.fixtures.world import SignedIn, World


@pytest.fixture
async def ada_id(world: World) -> UUID:
    """An account with a name and a password."""
    return await world.make_user("Ada@Example.com", name="Ada")


@pytest.fixture
async def ada(world: World, ada_id: UUID) -> SignedIn:
    """Ada's account, signed in."""
    del ada_id  # requested so that the account exists
    return await world.log_in("ada@example.com")
