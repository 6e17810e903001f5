"""API keys that clients show: told of and ended like tokens."""

from uuid import UUID

import pytest
from tests.api_keys.test_own_keys import is_valid
from tests.fixtures.programs import (
    BILLING,
    ORDERS,
    Program,
    give_role,
    make_program,
    make_resource,
    own_api,
)
from tests.fixtures.world import SignedIn, World

INACTIVE = {"active": False}


@pytest.fixture
async def ada(world: World, program: Program) -> SignedIn:
    await world.make_user()
    ada = await world.log_in()
    await give_role(world, ada, "orders:read", "orders:write")
    return ada


@pytest.fixture
async def gateway(world: World, ada: SignedIn) -> Program:
    """A client for which keys are meant."""
    return await make_program(world, scope=[], resources=[own_api(world)])


async def make_key(world: World, caller: SignedIn, *scope: str) -> tuple[str, str]:
    """Return the id and the text of a new key."""
    body = {"name": "Backup", "scope": scope or ["account:read"]}
    made = await world.api.post("/me/api-keys", json=body, headers=caller.headers)
    assert made.status_code == 201, made.text
    return made.json()["id"], made.json()["api_key"]


async def test_it_tells_what_a_key_is_for(world: World, gateway: Program, ada: SignedIn) -> None:
    key_id, key = await make_key(world, ada)
    user_id = (await world.me(ada)).json()["id"]

    told = await gateway.introspect(key)

    assert told["active"] is True
    assert (told["sub"], told["sid"], told["scope"]) == (user_id, key_id, "account:read")
    assert own_api(world) in told["aud"]
    assert told["exp"] > told["iat"]


async def test_to_clients_that_it_is_meant_for_alone(world: World, ada: SignedIn) -> None:
    await make_resource(world, BILLING, ["bills:read"])
    _, key = await make_key(world, ada, "account:read", "orders:read")

    for resource, is_told in ((own_api(world), True), (ORDERS, True), (BILLING, False)):
        client = await make_program(world, scope=[], resources=[resource])
        assert (await client.introspect(key))["active"] is is_told


async def test_a_key_that_is_mangled_or_revoked_is_inactive(
    world: World, gateway: Program, ada: SignedIn
) -> None:
    key_id, key = await make_key(world, ada)
    for changed in (key[:-1], key + "0", key.swapcase(), "kfs_" + key[4:]):
        assert await gateway.introspect(changed) == INACTIVE

    assert (await gateway.introspect(key))["active"] is True
    await world.api.delete(f"/me/api-keys/{key_id}", headers=ada.headers)

    assert await gateway.introspect(key) == INACTIVE


async def test_a_client_that_found_a_key_ends_it(
    world: World, gateway: Program, ada: SignedIn
) -> None:
    """As one does that looks for secrets where they do not belong."""
    _, key = await make_key(world, ada)
    headers = {"Authorization": f"Bearer {key}"}
    stranger = await make_program(world, scope=[], resources=[ORDERS])

    assert (await stranger.revoke(key)).status_code == 200
    assert (await world.api.get("/me", headers=headers)).status_code == 200
    for _ in range(2):
        assert (await gateway.revoke(key)).status_code == 200

    assert (await world.api.get("/me", headers=headers)).status_code == 401
    assert await gateway.introspect(key) == INACTIVE
    *_, event = await world.audit_log()
    assert event["actor_id"] == gateway.id
    assert event["target_id"] == UUID((await world.me(ada)).json()["id"])


async def test_a_key_is_told_of_to_the_resource_that_it_is_for(
    world: World, program: Program, ada: SignedIn
) -> None:
    own = await make_program(world, scope=[], resources=[own_api(world)])
    key_id, key = await make_key(world, ada, "orders:read")

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
    _, key = await make_key(world, ada)

    assert (await own.introspect(key))["active"] is True
    assert await program.introspect(key) == INACTIVE


async def test_a_key_is_inactive_everywhere_once_it_was_revoked(
    world: World, program: Program, ada: SignedIn
) -> None:
    key_id, key = await make_key(world, ada, "orders:read")
    assert (await program.introspect(key))["active"] is True

    await world.api.delete(f"/me/api-keys/{key_id}", headers=ada.headers)

    assert await program.introspect(key) == INACTIVE


async def test_a_client_that_a_key_is_meant_for_may_revoke_it(
    world: World, program: Program, ada: SignedIn
) -> None:
    own = await make_program(world, scope=[], resources=[own_api(world)])
    _, key = await make_key(world, ada, "orders:read", "account:read")
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


async def test_each_api_is_told_its_own_part_of_a_key(world: World, ada: SignedIn) -> None:
    """Threat: it learns what else the key in its hands opens, and where."""
    _, key = await make_key(world, ada, "account:read", "orders:read", "orders:write")
    parts = {own_api(world): "account:read", ORDERS: "orders:read orders:write"}

    for resource, part in parts.items():
        told = await (await make_program(world, scope=[], resources=[resource])).introspect(key)
        assert (told["scope"], told["aud"]) == (part, [resource])
    both = await (await make_program(world, scope=[], resources=list(parts))).introspect(key)
    assert (both["scope"].split(), both["aud"]) == (
        ["account:read", "orders:read", "orders:write"],
        list(parts),
    )
