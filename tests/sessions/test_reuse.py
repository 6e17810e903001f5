"""A refresh token that is used twice: a race gives one successor, a theft ends the session."""

import asyncio

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.metrics import value_of
from tests.fixtures.revoked import assert_refused_within_a_second, reuses_of
from tests.fixtures.waiting import until_somebody_waits
from tests.fixtures.world import SignedIn, World

from keyfob.audit.service import Audit
from keyfob.sessions.refresh import REUSES

GRACE = 10


_WAITING = """
    SELECT count(*) FROM pg_locks
     WHERE locktype = 'tuple' AND NOT granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def refresh_all(pair: tuple[World, World], tokens: list[str]) -> list[httpx.Response]:
    """Send refreshes to both workers; hold them at the row until a crowd is there, and let go."""
    async with pair[0].db.begin() as tx:
        await tx.execute("SELECT FROM sessions FOR UPDATE")
        sent = [
            asyncio.create_task(pair[number % 2].refresh(token))
            for number, token in enumerate(tokens)
        ]
        async with asyncio.timeout(10):
            while await tx.fetchval(_WAITING) < 20:  # noqa: ASYNC110 - PostgreSQL does not tell
                await asyncio.sleep(0.005)
    return await asyncio.gather(*sent)


async def assert_nothing_lives(pair: tuple[World, World], held: list[SignedIn]) -> None:
    """Check that no worker accepts any of these tokens, and that none refreshes."""
    for world in pair:
        for signed_in in held:
            await assert_refused_within_a_second(world, signed_in)
            assert (await world.refresh(signed_in.refresh)).status_code == 401


async def test_a_reuse_while_its_account_is_removed_is_refused(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    first = await world.log_in()
    await world.refresh(first.refresh)
    clock.advance(seconds=GRACE + 1)

    async with world.db.begin() as removal:
        await removal.execute("SELECT FROM users FOR UPDATE")
        reused = asyncio.create_task(world.refresh(first.refresh))
        await until_somebody_waits(world.db)
        await removal.execute("DELETE FROM users")

    assert (await reused).status_code == 401


async def test_fifty_refreshes_of_one_token_give_one_successor(pair: tuple[World, World]) -> None:
    await pair[0].make_user()
    first = await pair[0].log_in()

    answers = await refresh_all(pair, [first.refresh] * 50)

    successors = [SignedIn.of(answer) for answer in answers]
    assert len({successor.refresh for successor in successors}) == 1
    assert await pair[0].db.fetchval("SELECT generation FROM sessions") == 1
    for successor in successors[::7]:
        assert (await pair[0].me(successor)).status_code == 200
    assert (await pair[1].refresh(successors[0].refresh)).status_code == 200


@pytest.mark.parametrize("thief_first", [True, False])
async def test_fifty_refreshes_with_reuse_among_them_leave_nothing_alive(
    pair: tuple[World, World], clock: MovableClock, *, thief_first: bool
) -> None:
    await pair[0].make_user()
    stolen = await pair[0].log_in()
    current = SignedIn.of(await pair[0].refresh(stolen.refresh))
    clock.advance(GRACE)
    both = [stolen.refresh, current.refresh]

    answers = await refresh_all(pair, (both if thief_first else both[::-1]) * 25)

    given = [SignedIn.of(answer) for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 401}
    assert len({signed_in.refresh for signed_in in given}) <= 1
    assert await pair[0].db.fetchval("SELECT end_reason FROM sessions") == "reuse"
    await assert_nothing_lives(pair, [stolen, current, *given[:3]])
    assert len(await reuses_of(pair[0])) == 1


async def test_reuse_past_the_grace_time_ends_the_session_and_is_recorded(
    world: World, other: World, clock: MovableClock
) -> None:
    user_id = await world.make_user()
    bystander = await world.log_in()
    generations = [await world.log_in()]
    for _ in range(3):
        generations.append(SignedIn.of(await world.refresh(generations[-1].refresh)))
    clock.advance(GRACE)
    counted = value_of(REUSES)

    answer = await world.refresh(generations[-2].refresh)

    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_refresh_token"
    for signed_in in generations:
        assert (await world.me(signed_in)).status_code == 401, "this worker knows at once"
        assert (await world.refresh(signed_in.refresh)).status_code == 401
    await assert_nothing_lives((world, other), generations)
    (event,) = await reuses_of(world)
    assert (event["actor_id"], event["target_id"]) == (None, user_id)
    assert event["new_values"] == {"session_id": generations[0].session_id}
    assert (await world.service(Audit).verify()).broken_at is None
    assert value_of(REUSES) == counted + 1
    assert (await world.me(bystander)).status_code == 200, "the user's other sessions live on"
    assert (await world.refresh(bystander.refresh)).status_code == 200


@pytest.mark.parametrize("age", [1, 2, 5])
async def test_a_thief_who_is_first_is_thrown_out_by_the_owner(
    world: World, clock: MovableClock, age: int
) -> None:
    await world.make_user()
    owner = await world.log_in()
    thief = owner
    for _ in range(age):
        thief = SignedIn.of(await world.refresh(thief.refresh))
        clock.advance(GRACE)

    assert (await world.refresh(owner.refresh)).status_code == 401

    assert (await world.me(thief)).status_code == 401
    assert (await world.refresh(thief.refresh)).status_code == 401


async def test_reuse_of_a_session_that_has_ended_is_recorded_no_more(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    first = await world.log_in()
    await world.refresh(first.refresh)
    clock.advance(GRACE)
    for _ in range(3):
        assert (await world.refresh(first.refresh)).status_code == 401

    assert len(await reuses_of(world)) == 1


async def test_reuse_that_lost_the_race_to_a_logout_records_nothing(
    pair: tuple[World, World], clock: MovableClock
) -> None:
    one, two = pair
    await one.make_user()
    first = await one.log_in()
    await one.refresh(first.refresh)
    clock.advance(GRACE)

    async with one.db.begin() as tx:
        # Ended by a transaction that the reuse has to wait for.
        await tx.execute("UPDATE sessions SET ended_at = $1, end_reason = 'logout'", clock.now())
        reuse = asyncio.create_task(two.refresh(first.refresh))
        await until_somebody_waits(one.db)
    assert (await reuse).status_code == 401

    assert await reuses_of(one) == []
    assert await one.db.fetchval("SELECT end_reason FROM sessions") == "logout"


async def test_every_refusal_looks_the_same(world: World, clock: MovableClock) -> None:
    await world.make_user()
    ended, reused, idle = [await world.log_in() for _ in range(3)]
    await world.api.delete("/logout", headers=ended.headers)
    await world.refresh(reused.refresh)
    clock.advance(days=30)
    bodies = []
    for token in (ended.refresh, reused.refresh, idle.refresh, "kfr_" + "A" * 96):
        answer = await world.refresh(token)
        body = answer.json()
        body.pop("request_id")
        bodies.append((answer.status_code, body, answer.headers["www-authenticate"]))

    assert bodies[0][0] == 401
    assert all(body == bodies[0] for body in bodies)
