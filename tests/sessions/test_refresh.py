"""Refreshing: one round trip, one successor, and the same one again after a lost response."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import claims_of
from tests.fixtures.metrics import value_of
from tests.fixtures.revoked import reuses_of
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.authority.models import Role
from keyfob.sessions.refresh import REFRESHES
from keyfob.sessions.refresh_tokens import RefreshToken, RefreshTokenCodec
from keyfob.settings import Settings

GRACE = 10


async def test_a_refresh_is_one_statement(world: World) -> None:
    await world.make_user()
    first = await world.log_in()

    with recorded_statements() as seen:
        answer = await world.refresh(first.refresh)

    second = SignedIn.of(answer)
    assert len(seen) == 1
    assert seen[0].split()[:2] == ["UPDATE", "sessions"]
    assert second.session_id == first.session_id
    assert second.refresh != first.refresh
    assert (claims_of(first.access)["gen"], claims_of(second.access)["gen"]) == (0, 1)
    assert answer.headers["cache-control"] == "no-store"
    assert (await world.me(first)).status_code == 200, "a refresh kills no access token"
    assert (await world.me(second)).status_code == 200


async def test_both_names_of_the_token_are_understood(world: World) -> None:
    await world.make_user()
    first = await world.log_in()

    answer = await world.api.post("/refresh", json={"refresh_token": first.refresh})

    assert answer.status_code == 200
    both = {"token": first.refresh, "refresh_token": first.refresh}
    assert (await world.api.post("/refresh", json=both)).status_code == 422


async def test_what_we_did_not_make_costs_no_statement(world: World) -> None:
    await world.make_user()
    token = (await world.log_in()).refresh

    with recorded_statements() as seen:
        for forged in (token[:-1] + ("A" if token[-1] != "A" else "B"), token[:-1], "kfr_", "x"):
            answer = await world.refresh(forged)
            assert answer.status_code == 401
            assert answer.json()["code"] == "invalid_refresh_token"
            assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'

    assert seen == []


async def test_every_rotation_is_a_hot_update(settings: Settings, clock: MovableClock) -> None:
    rotations = 200
    async with World(settings, clock) as world:
        await world.db.execute("TRUNCATE sessions CASCADE")  # gives back what earlier tests filled
        await world.make_user()
        token = (await world.log_in()).refresh
        (before,) = await world.db.fetch(_COUNTS)
        for _ in range(rotations):
            clock.advance(1)  # so that the times of the row do change
            token = SignedIn.of(await world.refresh(token)).refresh
        size = await world.db.fetchval("SELECT pg_total_relation_size('sessions')")
    # Its connections are closed now, so that every one has told its counts.
    connection = await asyncpg.connect(settings.dsn)
    try:
        async with asyncio.timeout(10):
            (after,) = await connection.fetch(_COUNTS)
            while after["all"] - before["all"] < rotations:
                (after,) = await connection.fetch(_COUNTS)
    finally:
        await connection.close()

    # Now and then another's snapshot (autovacuum's) keeps a full page from being pruned in time.
    assert after["hot"] - before["hot"] >= 0.95 * (after["all"] - before["all"])
    assert size <= 10 * 8192 * 8, "two hundred rotations of one row leave no pile"


_COUNTS = """
    SELECT n_tup_upd AS all, n_tup_hot_upd AS hot FROM pg_stat_user_tables
     WHERE relname = 'sessions'
"""


async def test_a_lost_reply_is_given_again_within_the_grace_time(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    first = await world.log_in()
    lost = SignedIn.of(await world.refresh(first.refresh))

    clock.advance(GRACE - 1)
    again = SignedIn.of(await world.refresh(first.refresh))

    assert again.refresh == lost.refresh
    assert claims_of(again.access)["gen"] == claims_of(lost.access)["gen"]
    assert (await world.me(again)).status_code == 200
    assert (await world.refresh(again.refresh)).status_code == 200


async def test_a_replay_does_not_prolong_the_grace_time(world: World, clock: MovableClock) -> None:
    await world.make_user()
    first = await world.log_in()
    await world.refresh(first.refresh)
    clock.advance(GRACE - 1)
    assert (await world.refresh(first.refresh)).status_code == 200

    clock.advance(1)

    assert (await world.refresh(first.refresh)).status_code == 401


@pytest.fixture
async def strict(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    async with World(settings.model_copy(update={"refresh_grace": 0}), clock) as strict:
        yield strict


async def test_with_no_grace_a_used_token_is_reuse_in_the_same_instant(strict: World) -> None:
    await strict.make_user()
    first = await strict.log_in()
    second = SignedIn.of(await strict.refresh(first.refresh))

    assert (await strict.refresh(first.refresh)).status_code == 401

    assert (await strict.refresh(second.refresh)).status_code == 401
    assert (await strict.me(second)).status_code == 401


@pytest.mark.parametrize("loser_began", [-1, 1], ids=["first", "last"])
async def test_with_no_grace_of_two_that_refresh_at_once_one_gets_tokens(
    strict: World, settings: Settings, clock: MovableClock, loser_began: int
) -> None:
    # Whoever asked the time first may come to the row last: the winner's rotation is in its future.
    await strict.make_user()
    token = (await strict.log_in()).refresh
    beside = MovableClock(clock.now() + timedelta(milliseconds=loser_began))
    async with World(settings.model_copy(update={"refresh_grace": 0}), beside) as other:
        won, lost = await strict.refresh(token), await other.refresh(token)

    assert (won.status_code, lost.status_code) == (200, 401)
    assert len(await reuses_of(strict)) == 1
    assert (await strict.refresh(SignedIn.of(won).refresh)).status_code == 401


async def rotated(world: World, times: int) -> list[SignedIn]:
    """Sign in and refresh so often at once; return every pair, the oldest first."""
    await world.make_user()
    generations = [await world.log_in()]
    for _ in range(times):
        generations.append(SignedIn.of(await world.refresh(generations[-1].refresh)))
    return generations


@pytest.mark.parametrize("age", [2, 3, 5])
async def test_an_older_token_within_its_grace_is_refused_and_ends_nothing(
    world: World, clock: MovableClock, age: int
) -> None:
    # A reply that was lost, asked for again when others have gone on meanwhile.
    generations = await rotated(world, age)
    clock.advance(GRACE - 1)

    answer = await world.refresh(generations[0].refresh)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")
    assert await reuses_of(world) == []
    assert (await world.me(generations[-1])).status_code == 200
    assert (await world.refresh(generations[-1].refresh)).status_code == 200


async def test_an_older_token_past_its_grace_is_reuse(world: World, clock: MovableClock) -> None:
    generations = await rotated(world, 2)
    clock.advance(GRACE)

    assert (await world.refresh(generations[0].refresh)).status_code == 401

    assert len(await reuses_of(world)) == 1
    assert (await world.refresh(generations[-1].refresh)).status_code == 401


async def test_a_token_that_many_have_followed_is_reuse_at_once(world: World) -> None:
    generations = await rotated(world, 6)

    assert (await world.refresh(generations[0].refresh)).status_code == 401

    assert len(await reuses_of(world)) == 1


@pytest.mark.parametrize("pause", [GRACE - 1, GRACE // 2])
async def test_a_thief_who_goes_on_rotating_does_not_keep_the_owner_s_token_in_its_grace(
    world: World, clock: MovableClock, pause: int
) -> None:
    # Each token has the grace of its own use, whatever became of its successors.
    await world.make_user()
    owner = await world.log_in()
    thief = SignedIn.of(await world.refresh(owner.refresh))
    for _ in range(2):
        clock.advance(pause)
        thief = SignedIn.of(await world.refresh(thief.refresh))

    assert (await world.refresh(owner.refresh)).status_code == 401

    assert len(await reuses_of(world)) == 1
    assert (await world.refresh(thief.refresh)).status_code == 401


async def test_a_refresh_brings_the_new_role_and_signs_nobody_out(
    world: World, clock: MovableClock
) -> None:
    user_id = await world.make_user()
    admin = await world.make_admin()
    first = await world.log_in()
    await world.api.patch(f"/admin/users/{user_id}", json={"role": "admin"}, headers=admin.headers)

    assert (await world.me(first)).status_code == 401
    second = SignedIn.of(await world.refresh(first.refresh))

    assert claims_of(second.access)["role"] == Role.ADMIN
    assert (await world.me(second)).json()["role"] == "admin"
    assert (await world.api.get("/admin/users", headers=second.headers)).status_code == 200


async def test_a_replay_after_a_role_change_brings_no_old_role_back(world: World) -> None:
    user_id = await world.make_user(role=Role.ADMIN)
    admin = await world.make_admin()
    first = await world.log_in()
    second = SignedIn.of(await world.refresh(first.refresh))
    await world.api.patch(f"/admin/users/{user_id}", json={"role": "user"}, headers=admin.headers)

    replayed = SignedIn.of(await world.refresh(first.refresh))

    assert replayed.refresh == second.refresh
    assert claims_of(replayed.access)["role"] == Role.USER
    for dead in (first, second):
        assert (await world.api.get("/admin/users", headers=dead.headers)).status_code == 401
    assert (await world.api.get("/admin/users", headers=replayed.headers)).status_code == 403
    third = SignedIn.of(await world.refresh(replayed.refresh))
    assert claims_of(third.access)["role"] == Role.USER
    assert (await world.api.get("/admin/users", headers=third.headers)).status_code == 403
    assert (await world.me(third)).status_code == 200


async def test_a_role_change_that_waits_for_a_refresh_is_in_the_next_one(
    world: World, other: World
) -> None:
    user_id = await world.make_user()
    admin = await world.make_admin()
    token = (await world.log_in()).refresh
    roles = ["moderator", "user"] * 4

    async def keep_refreshing() -> None:
        nonlocal token
        for _ in range(24):
            token = SignedIn.of(await world.refresh(token)).refresh

    async def keep_changing() -> None:
        for role in roles:
            answer = await other.api.patch(
                f"/admin/users/{user_id}", json={"role": role}, headers=admin.headers
            )
            answer.raise_for_status()

    await asyncio.gather(keep_refreshing(), keep_changing())

    last = SignedIn.of(await world.refresh(token))
    assert claims_of(last.access)["role"] == roles[-1]
    assert (await world.me(last)).status_code == 200


async def test_a_session_refreshes_no_more_often_than_the_limit(
    settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_refresh": "3/minute"})
    async with World(limited, clock) as world:
        await world.make_user()
        held, patient = await world.log_in(), await world.log_in()
        for _ in range(3):
            held = SignedIn.of(await world.refresh(held.refresh))

        with recorded_statements() as seen:
            refused = await world.refresh(held.refresh)

        assert seen == []
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert (await world.refresh(patient.refresh)).status_code == 200
        clock.advance(60)
        assert (await world.refresh(held.refresh)).status_code == 200, "and nothing was lost"


async def test_a_token_from_before_a_new_proof_uses_up_no_refreshes_of_the_session(
    settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_refresh": "3/minute"})
    async with World(limited, clock) as world:
        await world.make_user()
        before = await world.log_in()
        proof = {"password": PASSWORD}
        answer = await world.api.post("/me/reauthenticate", json=proof, headers=before.headers)
        after = SignedIn.of(answer)

        dead = [(await world.refresh(before.refresh)).status_code for _ in range(5)]

        assert dead == [401, 401, 401, 429, 429]
        assert (await world.refresh(after.refresh)).status_code == 200


async def test_a_token_of_a_generation_that_is_still_to_come_ends_nothing(world: World) -> None:
    # As after a dump was restored that is older than the tokens.
    await world.make_user()
    first = await world.log_in()
    second = SignedIn.of(await world.refresh(first.refresh))
    await world.db.execute("UPDATE sessions SET generation = 0")
    ahead = REFRESHES.labels("ahead")
    counted = value_of(ahead)

    assert (await world.refresh(second.refresh)).status_code == 401
    assert value_of(ahead) == counted + 1

    assert (await world.refresh(first.refresh)).status_code == 200
    assert await reuses_of(world) == []


async def test_a_forgotten_session_is_refused(world: World) -> None:
    await world.make_user()
    first = await world.log_in()
    await world.db.execute("DELETE FROM sessions")

    assert (await world.refresh(first.refresh)).status_code == 401


@pytest.mark.parametrize("age", [0, 1, 2])
async def test_a_server_key_alone_makes_no_token_and_ends_no_session(
    world: World, age: int
) -> None:
    # Who holds KEYFOB_SECRET_KEY and the database still lacks the salt that only the client has.
    await world.make_user()
    current = await world.log_in()
    for _ in range(age):
        current = SignedIn.of(await world.refresh(current.refresh))
    codec = world.service(RefreshTokenCodec)

    made = codec.write(RefreshToken(UUID(current.session_id), 0, bytes(16)))

    assert codec.read(made) is not None
    assert (await world.refresh(made)).status_code == 401
    assert await reuses_of(world) == []
    assert (await world.refresh(current.refresh)).status_code == 200


async def test_a_server_key_alone_signs_nobody_out(world: World) -> None:
    await world.make_user()
    ada, other = await world.log_in(), await world.log_in()
    codec = world.service(RefreshTokenCodec)
    made = codec.write(RefreshToken(UUID(other.session_id), 0, bytes(16)))

    answer = await world.api.request("DELETE", "/logout", headers=ada.headers, json={"token": made})

    assert answer.status_code == 403
    assert (await world.me(other)).status_code == 200
