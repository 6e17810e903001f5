"""Accounts with a second factor."""

import pytest
from tests.fixtures.authenticator import Passkey
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import (
    Authenticator,
    add_totp,
)
from tests.fixtures.passkeys import (
    own_passkey,
)
from tests.fixtures.world import World


@pytest.fixture
async def app(world: World, clock: MovableClock) -> Authenticator:
    """Ada's authenticator; the code that confirmed it is used up, and the next one is valid."""
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    clock.advance(30)
    return app


@pytest.fixture
async def passkey(world: World) -> Passkey:
    """Ada's passkey, on her phone."""
    await world.make_user()
    return await own_passkey(world, await world.log_in())
