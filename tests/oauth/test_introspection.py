"""Introspection: clients see tokens that are meant for them; all others are inactive (RFC 7662)."""

from typing import Any
from uuid import UUID

import jwt
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import (
    BILLING,
    ORDERS,
    Program,
    make_program,
    make_resource,
    own_api,
)
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import SignedIn, World, eventually

from keyfob.accounts.changes import Changes
from keyfob.accounts.models import Status
from keyfob.administration.authority import Actor
from keyfob.administration.service import Administration
from keyfob.sessions.revocations import Revocations
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring

INACTIVE = {"active": False}


@pytest.fixture
async def gateway(world: World) -> Program:
    """A client for which our own sign-ins are meant."""
    return await make_program(world, scope=[], resources=[own_api(world)])


@pytest.fixture
async def ada(world: World) -> SignedIn:
    await world.make_user()
    return await world.log_in()


async def test_it_tells_what_a_token_says(world: World, program: Program) -> None:
    token = await program.get_token()
    claims = jwt.decode(token, options={"verify_signature": False})

    answer = await program.ask("introspect", token=token)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert told.pop("active") is True
    assert told.pop("token_type") == "Bearer"
    assert told == {
        name: claims[name]
        for name in ("scope", "client_id", "sub", "aud", "iss", "exp", "iat", "jti", "sid")
    }


async def test_it_tells_how_a_user_signed_in(world: World, gateway: Program, ada: SignedIn) -> None:
    told = await gateway.introspect(ada.access)

    assert told["active"] is True
    assert (told["client_id"], told["aud"]) == ("keyfob", "keyfob")
    assert told["sid"] == ada.session_id
    assert (told["acr"], told["amr"], told["roles"]) == ("aal1", ["pwd"], ["user"])
    assert told["scope"] == "account"
    assert {"auth_time", "exp", "iat", "jti"} <= told.keys()


async def test_a_refresh_token_is_looked_up_and_not_spent(
    world: World, gateway: Program, ada: SignedIn
) -> None:
    for _ in range(2):
        told = await gateway.introspect(ada.refresh)
        assert told["active"] is True
        assert (told["sid"], told["client_id"]) == (ada.session_id, "keyfob")
        assert "token_type" not in told
    assert (await world.refresh(ada.refresh)).status_code == 200


async def test_a_refresh_token_is_active_as_long_as_a_refresh_would_accept_it(
    world: World, gateway: Program, ada: SignedIn, clock: MovableClock, settings: Settings
) -> None:
    following = SignedIn.of(await world.refresh(ada.refresh))

    assert (await gateway.introspect(ada.refresh))["active"] is True  # within the grace time
    clock.advance(settings.refresh_grace + 1)
    assert await gateway.introspect(ada.refresh) == INACTIVE
    assert (await gateway.introspect(following.refresh))["active"] is True
    clock.advance(settings.session_idle_ttl)
    assert await gateway.introspect(following.refresh) == INACTIVE


async def test_to_the_client_that_a_token_was_given_to_and_to_its_audience_alone(
    world: World, program: Program, gateway: Program, ada: SignedIn
) -> None:
    await make_resource(world, BILLING, ["bills:read"])
    api = await make_program(world, scope=[], resources=[ORDERS])
    stranger = await make_program(world, scope=[], resources=[BILLING])
    token = await program.get_token()

    for client, is_told in ((program, True), (api, True), (stranger, False), (gateway, False)):
        assert (await client.introspect(token))["active"] is is_told
    for shown in (ada.access, ada.refresh):
        for client in (program, api, stranger):
            assert await client.introspect(shown) == INACTIVE


async def test_of_several_audiences_one_is_enough(world: World) -> None:
    await make_resource(world)
    await make_resource(world, BILLING, ["bills:read"])
    both = await make_program(world, resources=[ORDERS, BILLING])
    api = await make_program(world, scope=[], resources=[BILLING])

    told = await api.introspect(await both.get_token(resource=[ORDERS, BILLING]))

    assert (told["active"], told["aud"]) == (True, [ORDERS, BILLING])


@pytest.mark.parametrize("token", ["x", "a.b.c", "kfr_" + "A" * 96, "kfk_" + "a" * 49, "x" * 9000])
async def test_what_is_no_token_is_inactive(program: Program, token: str) -> None:
    assert await program.introspect(token) == INACTIVE


async def test_a_token_is_needed(program: Program) -> None:
    for form in ({}, {"token": ""}):
        answer = await program.ask("introspect", **form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_hint_changes_nothing(program: Program, gateway: Program, ada: SignedIn) -> None:
    token = await program.get_token()
    for hint in ("access_token", "refresh_token", "nonsense"):
        answer = await program.ask("introspect", token=token, token_type_hint=hint)
        assert answer.json()["active"] is True
        answer = await gateway.ask("introspect", token=ada.refresh, token_type_hint=hint)
        assert answer.json()["active"] is True


@pytest.mark.no_cover  # a sweep over what other tests cover
async def test_a_token_cut_or_changed_in_any_one_character_is_inactive(
    world: World, program: Program, gateway: Program, ada: SignedIn
) -> None:
    for client, token in ((program, await program.get_token()), (gateway, ada.refresh)):
        assert (await client.introspect(token))["active"] is True
        for place in range(len(token)):
            other = "A" if token[place] != "A" else "B"
            for changed in (token[:place], token[:place] + other + token[place + 1 :]):
                told = await client.introspect(changed) if changed else INACTIVE
                assert told == INACTIVE, place


async def test_an_expired_token_is_inactive(program: Program, clock: MovableClock) -> None:
    token = await program.get_token()
    assert (await program.introspect(token))["active"] is True

    clock.advance(300)

    assert await program.introspect(token) == INACTIVE


async def test_an_access_token_costs_no_query(
    world: World, program: Program, gateway: Program, ada: SignedIn
) -> None:
    await program.introspect(await program.get_token())
    await gateway.introspect(ada.access)

    with recorded_statements() as statements:
        for _ in range(5):
            await program.introspect(await program.get_token())
            await gateway.introspect(ada.access)

    assert statements == []


# Every cause of revocation, as another worker answers within a moment.


async def log_out(world: World, ada: SignedIn, program: Program) -> None:
    await world.api.delete("/logout", headers=ada.headers)


async def log_out_everywhere(world: World, ada: SignedIn, program: Program) -> None:
    await world.api.delete("/logout-all", headers=ada.headers)


async def block(world: World, ada: SignedIn, program: Program) -> None:
    await change(world, ada, Changes(status=Status.BLOCKED))


async def change_password(world: World, ada: SignedIn, program: Program) -> None:
    passwords = {"current_password": "correct horse battery", "password": "battery horse correct"}
    answer = await world.api.post("/me/password", json=passwords, headers=ada.headers)
    assert answer.status_code == 200


async def delete(world: World, ada: SignedIn, program: Program) -> None:
    await world.service(Administration).delete(Actor(None), await user_of(world, ada))


async def change(world: World, ada: SignedIn, changes: Changes) -> None:
    await world.service(Administration).change(Actor(None), await user_of(world, ada), changes)


async def user_of(world: World, ada: SignedIn) -> UUID:
    return UUID((await world.me(ada)).json()["id"])


@pytest.mark.parametrize("end", [log_out, log_out_everywhere, block, change_password, delete])
async def test_what_ends_a_session_ends_its_tokens_on_every_worker(
    world: World, other: World, gateway: Program, ada: SignedIn, end: Any
) -> None:
    for worker in (world, other):
        for token in (ada.access, ada.refresh):
            assert (await gateway.introspect(token, by=worker))["active"] is True

    await end(world, ada, gateway)

    assert await gateway.introspect(ada.access) == INACTIVE
    assert await gateway.introspect(ada.refresh) == INACTIVE
    await inactive_soon(gateway, ada.access, other)
    assert await gateway.introspect(ada.refresh, by=other) == INACTIVE


async def inactive_soon(program: Program, token: str, worker: World) -> None:
    held = worker.service(Revocations)
    claims = jwt.decode(token, options={"verify_signature": False})
    named = [(UUID(claims["sid"]), claims["gen"]), (UUID(claims["sub"]), claims["sub_gen"])]
    await eventually(lambda: held.kill_any(named))
    assert await program.introspect(token, by=worker) == INACTIVE


CHANGES = {
    "disabled": {"disabled_at": "now"},
    "scope": {"scope": ()},
    "grants": {"grants": ()},
    "resources": {"resources": ()},
}


@pytest.mark.parametrize("fields", CHANGES.values(), ids=CHANGES)
async def test_what_is_taken_from_a_client_ends_its_tokens_on_every_worker(
    world: World, other: World, clock: MovableClock, fields: dict[str, Any]
) -> None:
    await make_resource(world)
    program, api = await make_program(world), await make_program(world, scope=[])
    token = await program.get_token()
    for worker in (world, other):
        assert (await api.introspect(token, by=worker))["active"] is True

    if "disabled_at" in fields:
        fields = {"disabled_at": clock.now()}
    await program.change(**fields)

    assert await api.introspect(token) == INACTIVE
    await inactive_soon(api, token, other)


async def test_a_disabled_client_introspects_nothing(
    world: World, program: Program, clock: MovableClock
) -> None:
    token = await program.get_token()
    await program.change(disabled_at=clock.now())

    assert (await program.ask("introspect", token=token)).status_code == 401


async def test_a_token_of_a_dropped_signing_key_is_inactive(world: World, program: Program) -> None:
    token = await program.get_token()
    assert (await program.introspect(token))["active"] is True

    await world.service(Keyring).rotate(compromised=True)

    assert await program.introspect(token) == INACTIVE
