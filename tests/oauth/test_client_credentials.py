"""Tokens of service accounts: for whom, for what, for how long (RFC 6749 section 4.4)."""

import asyncio
from datetime import timedelta
from typing import Any

import jwt
import pytest
from tests.fixtures.programs import (
    BILLING,
    ORDERS,
    Program,
    make_program,
    make_resource,
    own_api,
)
from tests.fixtures.world import World, eventually

from keyfob.clients.models import Grant
from keyfob.clients.resources import Resources
from keyfob.clients.service import Clients
from keyfob.core.clock import Clock
from keyfob.sessions.revocations import Revocations


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def test_a_client_gets_a_token_of_its_own(world: World, program: Program) -> None:
    answer = await program.ask_token()

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 300)
    assert body["scope"] == "orders:read orders:write"
    me = str(program.id)
    claims = claims_of(body["access_token"])
    assert {name: claims[name] for name in ("sub", "client_id", "sid")} == dict.fromkeys(
        ("sub", "client_id", "sid"), me
    )
    assert {claims[name] for name in ("gen", "sub_gen", "client_gen")} == {0}
    assert (claims["iss"], claims["aud"]) == (own_api(world), ORDERS)
    assert claims["scope"] == body["scope"]
    assert claims["exp"] - claims["iat"] == 300
    assert claims.keys().isdisjoint({"role", "roles", "auth_time", "amr", "acr"})
    assert jwt.get_unverified_header(body["access_token"])["typ"] == "at+jwt"


async def test_a_token_does_not_outlive_the_secret_that_it_was_given_for(
    world: World, program: Program
) -> None:
    """Threat: a secret for ten seconds works on for an hour, by the tokens of it."""
    await program.change(access_token_ttl=3600)
    clients = world.service(Clients)
    async with world.db.begin() as tx:
        ends = world.service(Clock).now() + timedelta(seconds=10)
        _, made = await clients.add_secret(tx, program.id, ends)

    answer = await Program(world, program.id, made.text).ask_token()

    assert answer.json()["expires_in"] == 10
    assert (await program.ask_token()).json()["expires_in"] == 3600


async def test_a_scope_narrows_it(program: Program) -> None:
    answer = await program.ask_token(scope="orders:read")

    assert answer.json()["scope"] == "orders:read"
    assert claims_of(answer.json()["access_token"])["scope"] == "orders:read"


@pytest.mark.parametrize("scope", ["orders:delete", "orders:read orders:delete", "ORDERS:READ"])
async def test_a_scope_beyond_the_client_s_is_refused(program: Program, scope: str) -> None:
    answer = await program.ask_token(scope=scope)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


async def test_a_scope_that_the_resource_has_not_is_refused(world: World) -> None:
    await make_resource(world)
    await make_resource(world, BILLING, ["bills:read"])
    program = await make_program(
        world, scope=["orders:read", "bills:read"], resources=[ORDERS, BILLING]
    )

    refused = await program.ask_token(resource=BILLING, scope="orders:read")
    assert refused.json()["error"] == "invalid_scope"
    assert (await program.ask_token(resource=BILLING)).json()["scope"] == "bills:read"


async def test_among_several_resources_one_is_to_be_named(world: World) -> None:
    await make_resource(world)
    await make_resource(world, BILLING, ["bills:read"])
    program = await make_program(
        world, scope=["orders:read", "bills:read"], resources=[ORDERS, BILLING]
    )

    assert (await program.ask_token()).json()["error"] == "invalid_target"
    assert claims_of(await program.get_token(resource=ORDERS))["aud"] == ORDERS
    both = await program.get_token(resource=[ORDERS, BILLING])
    assert claims_of(both)["aud"] == [ORDERS, BILLING]
    assert claims_of(both)["scope"] == "orders:read bills:read"


@pytest.mark.parametrize(
    "resource", [BILLING, "https://nobody.example.com", "orders", ORDERS + "/"]
)
async def test_a_resource_that_is_not_the_client_s_is_refused(
    world: World, program: Program, resource: str
) -> None:
    await make_resource(world, BILLING, ["bills:read"])

    for named in (resource, [ORDERS, resource]):
        answer = await program.ask_token(resource=named)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")


async def test_a_client_without_scopes_gets_a_token_without_one(world: World) -> None:
    await make_resource(world)
    program = await make_program(world, scope=[])

    answer = await program.ask_token()

    assert "scope" not in answer.json()
    assert claims_of(answer.json()["access_token"])["scope"] == ""


async def test_a_token_lives_as_long_as_client_and_resource_let_it(world: World) -> None:
    await make_resource(world, ttl=120)
    for ttl, lives in ((60, 60), (300, 120)):
        program = await make_program(world, ttl=ttl)
        assert (await program.ask_token()).json()["expires_in"] == lives


async def test_a_grant_is_for_clients_that_are_registered_for_it(world: World) -> None:
    await make_resource(world)
    program = await make_program(world, grants=[Grant.TOKEN_EXCHANGE])

    answer = await program.ask_token()

    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


@pytest.mark.parametrize(
    "grant", ["password", "implicit", "client_credentials ", "urn:ietf:params:oauth:x"]
)
async def test_an_unknown_grant_is_refused(program: Program, grant: str) -> None:
    answer = await program.ask("token", grant_type=grant)

    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize("form", [{}, {"grant_type": ""}])
async def test_without_a_grant_the_request_is_not_valid(
    program: Program, form: dict[str, str]
) -> None:
    answer = await program.ask("token", **form)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_the_token_opens_our_own_api_within_its_scope(world: World) -> None:
    program = await make_program(world, scope=["users:read"], resources=[own_api(world)])
    headers = {"Authorization": f"Bearer {await program.get_token()}"}

    assert (await world.api.get("/me", headers=headers)).status_code == 403
    assert (await world.api.delete("/logout-all", headers=headers)).status_code == 403


async def test_a_token_for_another_resource_opens_nothing_of_ours(
    world: World, program: Program
) -> None:
    headers = {"Authorization": f"Bearer {await program.get_token()}"}

    assert (await world.api.get("/me", headers=headers)).status_code == 401


async def test_a_new_generation_kills_the_tokens_of_before(world: World) -> None:
    program = await make_program(world, scope=["users:read"], resources=[own_api(world)])
    headers = {"Authorization": f"Bearer {await program.get_token()}"}
    await program.change(scope=())

    assert (await world.api.get("/me", headers=headers)).status_code == 401
    assert claims_of(await program.get_token())["gen"] == 1


async def test_a_worker_that_has_not_heard_yet_gives_nothing_that_lives(
    world: World, other: World, program: Program
) -> None:
    """It has the client in memory, and gives tokens of the generation that has just ended."""
    api = await make_program(world, scope=[])
    await eventually(lambda: other.service(Resources).find(ORDERS))
    assert (await program.ask_token(by=other)).status_code == 200

    _, *answers = await asyncio.gather(
        program.change(scope=("orders:read",)),
        *(program.ask_token(by=other) for _ in range(20)),
    )

    tokens = [answer.json()["access_token"] for answer in answers]
    older = [token for token in tokens if claims_of(token)["gen"] == 0]
    revocations = other.service(Revocations)
    await eventually(lambda: revocations.kills(program.id, 0))
    for worker in (world, other):
        for token in older:
            assert await api.introspect(token, by=worker) == {"active": False}
        answer = await program.ask_token(by=worker)
        assert answer.json()["scope"] == "orders:read"
        assert (await api.introspect(answer.json()["access_token"], by=worker))["active"] is True
