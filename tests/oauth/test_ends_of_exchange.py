"""What a token that was exchanged ends with: the secret of its client, and what roles give now."""

from datetime import timedelta

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import BILLING, ORDERS, Program, make_program, make_resource
from tests.fixtures.world import World
from tests.oauth.test_token_exchange import exchange

from keyfob.clients.models import Grant
from keyfob.clients.service import Clients


@pytest.fixture
async def gateway(world: World) -> Program:
    """The API of orders, which may ask for tokens for that of bills."""
    await make_resource(world)
    await make_resource(world, BILLING, ["bills:read", "orders:read"])
    return await make_program(
        world, grants=[Grant.TOKEN_EXCHANGE], scope=["orders:read"], resources=[ORDERS, BILLING]
    )


async def test_no_exchange_outlives_the_secret_of_its_client(
    world: World, gateway: Program, clock: MovableClock
) -> None:
    subject = await (await make_program(world)).get_token()
    async with world.db.begin() as tx:
        ends = clock.now() + timedelta(seconds=10)
        _, made = await world.service(Clients).add_secret(tx, gateway.id, ends)
    by_new = Program(world, gateway.id, made.text)

    answer = await exchange(by_new, subject, resource=BILLING)

    assert answer.json()["expires_in"] == 10
