"""An administrator, and users to administer."""

import pytest
from tests.fixtures.people import Person, insert_people, make_people, read_people
from tests.fixtures.world import SignedIn, World


@pytest.fixture
async def admin(world: World) -> SignedIn:
    """An administrator, signed in."""
    return await world.make_admin()


@pytest.fixture
async def people(world: World, admin: SignedIn) -> list[Person]:
    """Three hundred accounts and the administrator."""
    del admin  # requested because the administrator is one of them
    await insert_people(world.db, make_people())
    return await read_people(world.db)
