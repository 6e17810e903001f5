"""API keys that clients are shown: introspected and revoked by those that they are meant for."""

import pytest
from tests.api_keys.test_own_keys import is_valid, key_of
from tests.fixtures.programs import Program, give_role, make_program, own_api
from tests.fixtures.world import SignedIn, World

INACTIVE = {"active": False}


@pytest.fixture
async def ada(world: World) -> SignedIn:
    await world.make_user()
    ada = await world.log_in()
    await give_role(world, ada, "orders:read", "orders:write")
    return ada


async def test_a_key_is_told_of_to_the_resource_that_it_is_for(
    world: World, program: Program, ada: SignedIn
) -> None:
    own = await make_program(world, scope=[], resources=[own_api(world)])
    key_id, key = await key_of(world, ada, scope=["orders:read"])

    told = await program.introspect(key)

    assert told["active"] is True
    assert (told["sid"], told["scope"], told["roles"]) == (key_id, "orders:read", ["user", "clerk"])
    assert "client_id" not in told
    assert await program.introspect(key, by=world) == told
    assert await own.introspect(key) == INACTIVE


async def test_a_key_for_our_own_api_is_told_of_to_its_clients(
    world: World, program: Program, ada: SignedIn
) -> None:
    own = await make_program(world, scope=[], resources=[own_api(world)])
    _, key = await key_of(world, ada)

    assert (await own.introspect(key))["active"] is True
    assert await program.introspect(key) == INACTIVE


async def test_a_key_is_inactive_everywhere_once_it_was_revoked(
    world: World, program: Program, ada: SignedIn
) -> None:
    key_id, key = await key_of(world, ada, scope=["orders:read"])
    assert (await program.introspect(key))["active"] is True

    await world.api.delete(f"/me/api-keys/{key_id}", headers=ada.headers)

    assert await program.introspect(key) == INACTIVE


async def test_a_client_that_a_key_is_meant_for_may_revoke_it(
    world: World, program: Program, ada: SignedIn
) -> None:
    own = await make_program(world, scope=[], resources=[own_api(world)])
    _, key = await key_of(world, ada, scope=["orders:read", "account:read"])
    other = await make_program(world, scope=[], resources=[])

    assert (await other.revoke(key)).status_code == 200
    assert await is_valid(world, key)
    assert (await own.revoke(key)).status_code == 200

    assert not await is_valid(world, key)
    assert await program.introspect(key) == INACTIVE
    actor = await world.db.fetchval(
        "SELECT actor_id FROM audit_events WHERE action = 'api_key.revoked'"
    )
    assert actor == own.id
