"""The entries of the feed by what they concern; test_every_cause.py walks through the causes."""

import jwt
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.feed import Claims, Follower, token_of_reader
from tests.fixtures.programs import BILLING, ORDERS, Program, give_role, make_resource
from tests.fixtures.world import SignedIn, World
from tests.revocation_feed.causes import OF_KEYS, exchange, exchanger

from keyfob.tokens.keyring import Keyring


def claims_of(token: str) -> Claims:
    claims: Claims = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.fixture
async def ada(world: World) -> SignedIn:
    await world.make_user()
    return await world.log_in()


async def test_a_sign_out_is_of_the_session(
    world: World, follower: Follower, ada: SignedIn, clock: MovableClock
) -> None:
    beside = await world.log_in()
    await world.api.delete("/logout", headers=ada.headers)

    (entry,) = await follower.poll()
    expires = clock.timestamp() + 300 + 300  # the life of a token, and what a clock may jump
    assert entry == {"sid": ada.session_id, "gen": 2**31 - 1, "exp": expires}
    assert follower.refuses(ada.access)
    assert not follower.refuses(beside.access)


async def test_a_sign_out_everywhere_is_of_the_user(
    world: World, follower: Follower, ada: SignedIn, clock: MovableClock
) -> None:
    beside = await world.log_in()
    await world.api.delete("/logout-all", headers=ada.headers)

    (entry,) = await follower.poll()
    expires = clock.timestamp() + 3600 + 300  # tokens of clients may live longest
    assert entry == {"sub": claims_of(ada.access)["sub"], "sub_gen": 0, "exp": expires}
    assert follower.refuses(ada.access)
    assert follower.refuses(beside.access)
    assert not follower.refuses((await world.log_in()).access)


@pytest.fixture
async def billing(world: World) -> Program:
    """A program that may get tokens for itself, and exchange others."""
    await make_resource(world)
    await make_resource(world, BILLING, ["bills:read", "orders:read"])
    return await exchanger(world)


async def test_a_change_of_a_client_is_of_the_client(
    world: World, billing: Program, follower: Follower, clock: MovableClock
) -> None:
    token = await billing.get_token(resource=ORDERS)
    await billing.change(scope=("orders:read",))

    expires = clock.timestamp() + 3600 + 300
    named = {"client_id": str(billing.id), "client_gen": 0}
    assert await follower.poll() == [{**named, "exp": expires}]
    assert follower.refuses(token)
    assert not follower.refuses(await billing.get_token(resource=ORDERS))


async def test_a_token_that_a_client_revokes_is_named_by_its_own_id(
    billing: Program, follower: Follower, clock: MovableClock
) -> None:
    token, beside = [await billing.get_token(resource=ORDERS) for _ in range(2)]
    await billing.revoke(token)

    expires = clock.timestamp() + 300 + 300
    assert await follower.poll() == [{"jti": claims_of(token)["jti"], "exp": expires}]
    assert follower.refuses(token)
    assert not follower.refuses(beside)


async def test_an_api_key_ends_with_what_it_was_exchanged_for(
    world: World, billing: Program, follower: Follower, ada: SignedIn
) -> None:
    await give_role(world, ada, "orders:read")
    body = {"name": "Backup", "scope": ["orders:read"]}
    ada = await world.log_in()
    key = (await world.api.post("/me/api-keys", json=body, headers=ada.headers)).json()
    token = await exchange(billing, key["api_key"], OF_KEYS)
    await follower.poll()
    await world.api.delete(f"/me/api-keys/{key['id']}", headers=ada.headers)

    (entry,) = await follower.poll()
    assert (entry["sid"], entry["gen"]) == (key["id"], 2**31 - 1)
    assert follower.refuses(token)
    assert not follower.refuses(ada.access)


async def test_a_key_that_was_dropped_is_named(
    world: World, follower: Follower, ada: SignedIn, clock: MovableClock
) -> None:
    kid = jwt.get_unverified_header(ada.access)["kid"]
    reader = follower.token
    await world.service(Keyring).rotate(compromised=True)
    assert (await follower.ask()).status_code == 401, "the reader's own token was signed by it, too"

    anew = Follower(world, await token_of_reader(world))
    anew.position = follower.position
    expires = clock.timestamp() + 3600 + 300
    assert await anew.poll() == [{"kid": kid, "exp": expires}]
    assert anew.refuses(ada.access)
    assert anew.refuses(reader)
    assert not anew.refuses(anew.token)
    assert await anew.poll() == []
    clock.advance(3900)
    assert await Follower(world, await token_of_reader(world)).poll() == []


async def test_a_key_that_retires_in_order_is_not(
    world: World, follower: Follower, clock: MovableClock
) -> None:
    await world.service(Keyring).rotate()
    clock.advance(3601)

    follower.token = await token_of_reader(world)
    assert await follower.poll() == [], "its last tokens expire before it is gone from the key set"
