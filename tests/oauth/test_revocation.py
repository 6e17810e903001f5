"""Clients end tokens, everywhere; whoever may not changes nothing (RFC 7009)."""

import asyncio
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import ORDERS, Program, make_program, make_resource, own_api
from tests.fixtures.world import SignedIn, World

from keyfob.settings import Settings


@pytest.fixture
async def gateway(world: World) -> Program:
    """A client for which our own sign-ins are meant."""
    return await make_program(world, scope=[], resources=[own_api(world)])


@pytest.fixture
async def ada(world: World) -> SignedIn:
    await world.make_user()
    return await world.log_in()


def is_done(answer: httpx.Response) -> bool:
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["cache-control"] == "no-store"
    return True


async def is_inactive_soon(program: Program, token: str, worker: World) -> None:
    while (await program.introspect(token, by=worker))["active"]:  # noqa: ASYNC110 - another worker's
        await asyncio.sleep(0.005)


async def test_an_access_token_is_dead_everywhere_and_no_other_is(
    world: World, other: World, program: Program
) -> None:
    token, second = await program.get_token(), await program.get_token()
    for worker in (world, other):
        assert (await program.introspect(token, by=worker))["active"] is True

    assert is_done(await program.revoke(token))

    assert await program.introspect(token) == {"active": False}
    async with asyncio.timeout(10):
        await is_inactive_soon(program, token, other)
    assert (await program.introspect(second, by=other))["active"] is True


async def test_a_token_that_is_revoked_opens_nothing_of_ours(world: World) -> None:
    program = await make_program(world, scope=["users:read"], resources=[own_api(world)])
    token = await program.get_token()
    headers = {"Authorization": f"Bearer {token}"}
    assert (await world.api.get("/me", headers=headers)).status_code == 403

    assert is_done(await program.revoke(token))

    assert (await world.api.get("/me", headers=headers)).status_code == 401


async def test_a_refresh_token_ends_its_session(
    world: World, other: World, gateway: Program, ada: SignedIn
) -> None:
    assert is_done(await gateway.revoke(ada.refresh))

    assert (await world.refresh(ada.refresh)).status_code == 401
    assert (await world.me(ada)).status_code == 401
    async with asyncio.timeout(10):
        await is_inactive_soon(gateway, ada.access, other)
    (line,) = [one for one in await world.login_log() if one["outcome"] == "ended"]
    assert line["reason"] == "ended_by_client"
    assert (line["session_id"], line["ip_address"]) == (UUID(ada.session_id), None)
    *_, event = await world.audit_log()
    assert (event["action"], event["actor_id"]) == ("session.revoked", gateway.id)
    assert event["target_id"] == line["user_id"]


async def test_an_access_token_of_a_sign_in_leaves_its_session(
    world: World, gateway: Program, ada: SignedIn
) -> None:
    assert is_done(await gateway.revoke(ada.access))

    assert (await world.me(ada)).status_code == 401
    following = SignedIn.of(await world.refresh(ada.refresh))
    assert (await world.me(following)).status_code == 200


async def test_a_token_of_another_client_is_not_ended(world: World, program: Program) -> None:
    token = await program.get_token()
    audience = await make_program(world, scope=[], resources=[ORDERS])
    stranger = await make_program(world, scope=[], resources=[own_api(world)])

    refused = await audience.revoke(token)
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
    assert is_done(await stranger.revoke(token))
    assert (await program.introspect(token))["active"] is True


async def test_a_sign_in_is_ended_by_no_client_that_it_is_not_meant_for(
    world: World, program: Program, ada: SignedIn
) -> None:
    for token in (ada.access, ada.refresh):
        assert is_done(await program.revoke(token))

    assert (await world.me(ada)).status_code == 200
    assert (await world.refresh(ada.refresh)).status_code == 200


@pytest.mark.parametrize("token", ["x", "a.b.c", "kfr_" + "A" * 96, "kfk_" + "a" * 49])
async def test_of_an_unknown_token_the_answer_is_the_same(program: Program, token: str) -> None:
    assert is_done(await program.revoke(token))


async def test_a_token_that_is_dead_is_written_no_more(world: World, program: Program) -> None:
    token = await program.get_token()
    for _ in range(3):
        assert is_done(await program.revoke(token))

    assert await world.db.fetchval("SELECT count(*) FROM revocations WHERE kind = 'token'") == 1


async def test_a_used_refresh_token_ends_nothing(
    world: World, gateway: Program, ada: SignedIn, clock: MovableClock, settings: Settings
) -> None:
    following = SignedIn.of(await world.refresh(ada.refresh))
    clock.advance(settings.refresh_grace + 1)

    assert is_done(await gateway.revoke(ada.refresh))

    assert (await world.me(following)).status_code == 200


async def test_revocations_of_a_client_are_limited(settings: Settings, clock: MovableClock) -> None:
    limits = {"limits": "on", "limit_revoke": "2/minute"}
    async with World(settings.model_copy(update=limits), clock) as world:
        await make_resource(world)
        program = await make_program(world)
        codes = [(await program.revoke(await program.get_token())).status_code for _ in range(3)]

        assert codes == [200, 200, 429]
        assert is_done(await program.revoke("unknown"))


async def test_of_many_that_revoke_at_once_on_two_workers_all_are_answered(
    world: World, other: World, gateway: Program, program: Program, ada: SignedIn
) -> None:
    own = await program.get_token()
    workers = [world, other] * 5
    answers = await asyncio.gather(
        *(gateway.revoke(ada.refresh, by=worker) for worker in workers),
        *(gateway.revoke(ada.access, by=worker) for worker in workers),
        *(program.revoke(own, by=worker) for worker in workers),
    )

    assert all(map(is_done, answers))
    ended = [line for line in await world.login_log() if line["outcome"] == "ended"]
    assert len(ended) == 1
    for worker in (world, other):
        async with asyncio.timeout(10):
            await is_inactive_soon(program, own, worker)
            await is_inactive_soon(gateway, ada.access, worker)


async def test_a_refresh_that_races_with_the_end_of_its_session_gives_nothing_that_lives(
    world: World, other: World, gateway: Program
) -> None:
    for number in range(10):
        await world.make_user(f"user{number}@example.com")
        user = await world.log_in(f"user{number}@example.com")
        revoked, refreshed = await asyncio.gather(
            gateway.revoke(user.refresh), other.refresh(user.refresh)
        )

        assert is_done(revoked)
        tokens = SignedIn.of(refreshed) if refreshed.status_code == 200 else user
        async with asyncio.timeout(10):
            await is_inactive_soon(gateway, tokens.access, world)
            await is_inactive_soon(gateway, tokens.access, other)
        assert (await world.refresh(tokens.refresh)).status_code == 401
