"""The most sessions of a user: a further sign-in ends the least recently active one."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from asyncpg import Record
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.revoked import assert_refused_within_a_second
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import SignedIn, World

from keyfob.sessions.service import Sessions
from keyfob.settings import Settings

MOST = 3


@pytest.fixture
def few(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_sessions": MOST, "database_pool_size": 20})


@pytest.fixture
async def one(few: Settings, clock: MovableClock) -> AsyncIterator[World]:
    async with World(few, clock) as one:
        yield one


@pytest.fixture
async def two(few: Settings, clock: MovableClock, one: World) -> AsyncIterator[World]:
    async with World(few, clock) as two:
        yield two


async def listed(world: World, caller: SignedIn) -> list[str]:
    answer = await world.api.get("/me/sessions", headers=caller.headers)
    return [session["id"] for session in answer.json()]


async def ends(world: World) -> list[Record]:
    return [row for row in await world.login_log() if row["outcome"] == "ended"]


async def sign_in(world: World, clock: MovableClock) -> SignedIn:
    clock.advance(60)
    return await world.log_in()


async def test_beyond_the_most_the_least_recently_active_ends_on_record(
    one: World, two: World, clock: MovableClock
) -> None:
    user_id = await one.make_user()
    first, second, third = [await sign_in(one, clock) for _ in range(MOST)]
    clock.advance(60)
    first = SignedIn.of(await one.refresh(first.refresh))  # so the second has been idle longest

    fourth = await sign_in(one, clock)

    assert await listed(one, fourth) == [h.session_id for h in (fourth, third, first)]
    for world in (one, two):
        await assert_refused_within_a_second(world, second)
        assert (await world.refresh(second.refresh)).status_code == 401
        for held in (first, third, fourth):
            assert (await world.me(held)).status_code == 200
    (row,) = await ends(one)
    assert (row["reason"], row["user_id"], row["session_id"], row["ip_address"]) == (
        "too_many_sessions",
        user_id,
        UUID(second.session_id),
        None,
    )
    ended = await one.db.fetchval("SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL")
    assert ended == "too_many_sessions"


async def test_its_own_worker_refuses_what_made_room_at_once_though_the_feed_is_away(
    one: World, clock: MovableClock
) -> None:
    await one.make_user()
    first, *_ = [await sign_in(one, clock) for _ in range(MOST)]
    await one.wiring.feed.stop()

    answer = await one.attempt_login()

    assert answer.status_code == 200
    assert (await one.me(first)).status_code == 401
    assert (await one.me(SignedIn.of(answer))).status_code == 200


async def test_a_sign_in_makes_four_statements_more_only_then(
    one: World, clock: MovableClock
) -> None:
    await one.make_user()
    seen: list[int] = []
    for _ in range(MOST + 2):
        clock.advance(60)
        with recorded_statements() as statements:
            await one.log_in()
        seen.append(len(statements))

    assert seen[1:] == [seen[1]] * (MOST - 1) + [seen[1] + 4] * 2  # two end it, two tell apps


async def test_what_many_sign_ins_at_once_leave_beyond_the_next_one_ends(
    one: World, two: World, clock: MovableClock
) -> None:
    await one.make_user()

    answers = await asyncio.gather(
        *((one, two)[number % 2].attempt_login() for number in range(24))
    )
    assert {answer.status_code for answer in answers} == {200}
    last = await sign_in(one, clock)

    assert await one.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == MOST
    assert (await one.me(last)).status_code == 200
    reasons = await one.db.fetch("SELECT DISTINCT end_reason FROM sessions ORDER BY 1 NULLS LAST")
    assert [row["end_reason"] for row in reasons] == ["too_many_sessions", None]


async def test_sign_ins_at_once_beyond_the_most_each_end_another(
    one: World, two: World, clock: MovableClock
) -> None:
    await one.make_user()
    held = [await sign_in(one, clock) for _ in range(MOST)]
    clock.advance(60)

    answers = await asyncio.gather(*(world.attempt_login() for world in (one, two, one)))
    await sign_in(one, clock)

    assert {answer.status_code for answer in answers} == {200}
    assert await one.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == MOST
    for ended in held:
        await assert_refused_within_a_second(two, ended)


async def test_it_is_so_whatever_way_somebody_signs_in(one: World, clock: MovableClock) -> None:
    await one.make_user()
    app = await add_totp(one, await one.log_in(), clock)
    for _ in range(MOST):
        clock.advance(60)
        token = await ask_for_factor(one)
        (await show_factor(one, token, code=app.code())).raise_for_status()

    assert await one.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == MOST
    assert [row["reason"] for row in await ends(one)] == ["too_many_sessions"]


async def test_what_has_run_out_counts_no_more(
    few: Settings, one: World, clock: MovableClock
) -> None:
    await one.make_user()
    for _ in range(MOST):
        await sign_in(one, clock)
    clock.advance(few.session_idle_ttl)

    held = [await sign_in(one, clock) for _ in range(MOST)]

    assert await ends(one) == []
    assert len(await listed(one, held[0])) == MOST


async def test_where_the_most_was_lowered_the_next_sign_in_ends_all_beyond(
    settings: Settings, one: World, clock: MovableClock
) -> None:
    async with World(settings, clock) as before:
        await before.make_user()
        held = [await sign_in(before, clock) for _ in range(8)]

    last = await sign_in(one, clock)

    assert await listed(one, last) == [h.session_id for h in (last, held[7], held[6])]
    (row,) = await ends(one)
    assert (row["reason"], row["session_id"]) == ("too_many_sessions", None)
    for dead in held[:6]:
        await assert_refused_within_a_second(one, dead)


async def test_nobody_else_s_sessions_count(one: World, clock: MovableClock) -> None:
    await one.make_user()
    await one.make_user("eve@example.com")
    ada = await one.log_in()
    for _ in range(MOST + 2):
        clock.advance(60)
        await one.log_in("eve@example.com")

    assert (await one.refresh(ada.refresh)).status_code == 200


async def crowd(world: World, amount: int, *, age: int = 0) -> None:
    """Write so many sessions more like the newest, opened and used so many seconds before it."""
    await world.db.execute(
        """
        INSERT INTO sessions (id, user_id, role, secret_hash, rotated_at, last_activity_at,
                              expires_at, amr, auth_time, login_at, device_type)
        SELECT gen_random_uuid(), user_id, role, secret_hash,
               rotated_at - ($2 + n) * interval '1 second',
               last_activity_at - ($2 + n) * interval '1 second', expires_at, amr, auth_time,
               login_at, device_type
          FROM (SELECT * FROM sessions ORDER BY login_at DESC, rotated_at DESC LIMIT 1) AS s,
               generate_series(1, $1::int) AS n
        """,
        amount,
        age,
    )


async def trim(world: World) -> None:
    """Do the chore in small steps."""
    (chore,) = [c for c in world.wiring.worker.chores if c.name == "too many sessions"]
    trimming: Any = chore.run
    await replace(trimming.__self__, users_at_once=2, sessions_at_once=4).run()


async def test_a_chore_trims_who_has_more_from_before(
    few: Settings, one: World, clock: MovableClock
) -> None:
    for name in ("ada", "bob", "eve", "zoe", "kay"):
        await one.make_user(f"{name}@example.com")
    kept = [await one.log_in(f"{name}@example.com") for name in ("bob", "eve", "zoe", "kay")]
    ada = await one.log_in()
    await one.db.execute(
        "UPDATE sessions SET login_at = login_at - interval '1 second' WHERE id <> $1",
        UUID(ada.session_id),
    )
    await crowd(one, 10, age=3600)
    await crowd(one, 3)

    await asyncio.gather(trim(one), trim(one))

    live = "SELECT count(*) FROM sessions WHERE ended_at IS NULL AND user_id = $1"
    user_id = await one.db.fetchval("SELECT id FROM users WHERE email = 'ada@example.com'")
    assert await one.db.fetchval(live, user_id) == MOST
    for held in (*kept, ada):
        assert (await one.me(held)).status_code == 200
    # Eleven have ended; of those that could still have a live token, which was one, it is dead.
    assert await one.db.fetchval("SELECT count(*) FROM revocations") == 1
    assert [(row["reason"], row["session_id"]) for row in await ends(one)] == [
        ("too_many_sessions", None)
    ] * 3
    await trim(one)
    assert len(await ends(one)) == 3


async def test_who_has_very_many_can_still_end_them_all(
    one: World, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyfob.core.batches.AT_ONCE", 7)
    await one.make_user()
    ada = await one.log_in()
    await crowd(one, 30)

    assert (await one.api.delete("/logout-all", headers=ada.headers)).status_code == 204

    assert await one.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 0
    assert await one.db.fetchval("SELECT count(*) FROM revocations") == 1


async def test_the_most_is_two_hundred_unless_set(settings: Settings, world: World) -> None:
    assert settings.max_sessions == 200
    assert world.service(Sessions).most == 200
