"""Signing in with a password."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hashes import held_hashes
from tests.fixtures.statements import recorded_statements
from tests.fixtures.waiting import until_somebody_waits
from tests.fixtures.world import PASSWORD, World

from keyfob.passwords.hashing import HashingPool
from keyfob.passwords.schemes import Bcrypt
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring


async def test_wrong_password_is_refused_and_logged(world: World) -> None:
    await world.make_user("ada@example.com")

    answer = await world.api.post(
        "/login", json={"email": "ada@example.com", "password": "wrong horse"}
    )

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_credentials"
    assert [(row["outcome"], row["reason"]) for row in await world.login_log()] == [
        ("refused", "wrong_password")
    ]


async def test_right_password_gives_tokens(world: World) -> None:
    user_id = await world.make_user("ada@example.com")

    answer = await world.api.post("/login", json={"email": "ADA@example.com", "password": PASSWORD})

    assert answer.status_code == 200
    assert set(answer.json()) == {
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "session_id",
    }
    assert answer.headers["cache-control"] == "no-store"
    me = await world.api.get(
        "/me", headers={"Authorization": f"Bearer {answer.json()['access_token']}"}
    )
    assert me.json()["id"] == str(user_id)


@pytest.fixture
def impatient(settings: Settings) -> Settings:
    """A service in which no password check may wait."""
    return settings.model_copy(update={"hashing_budget": 0.0})


async def test_a_sign_in_that_is_shed_asks_the_database_nothing(
    impatient: Settings, clock: MovableClock
) -> None:
    async with World(impatient, clock) as world:
        await world.make_user()
        async with held_hashes(world.service(HashingPool)):
            with recorded_statements() as statements:
                answer = await world.attempt_login()

    assert answer.status_code == 503
    assert answer.json()["code"] == "overloaded"
    assert int(answer.headers["retry-after"]) > 0
    assert statements == []


@pytest.mark.parametrize("refusal", ["overloaded", "too_many_requests"])
async def test_who_is_to_come_back_later_hears_so_later_and_others_do_not_wait(
    impatient: Settings, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    limited = {"limits": "on", "limit_login": "1/minute"} if refusal != "overloaded" else {}
    async with AsyncExitStack() as stack:
        world = World(impatient.model_copy(update=limited), clock)
        await stack.enter_async_context(world)
        await world.make_user()
        if limited:
            await world.log_in()
        else:
            await stack.enter_async_context(held_hashes(world.service(HashingPool)))
        answer = await world.attempt_login()
        assert answer.json()["code"] == refusal
        monkeypatch.setattr("keyfob.core.http.edge.HELD_SECONDS", 60)

        shed = asyncio.create_task(world.attempt_login())
        done, _ = await asyncio.wait({shed}, timeout=0.1)

        assert done == set()
        assert (await world.api.get("/health/live")).status_code == 200
        shed.cancel()


async def test_a_password_that_is_changed_while_it_is_checked_opens_no_session(
    world: World,
) -> None:
    await world.make_user()
    async with world.db.begin() as tx:
        await tx.execute("UPDATE users SET password_hash = 'another'")
        signing_in = asyncio.create_task(world.attempt_login())
        await until_somebody_waits(world.db)

    answer = await signing_in

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert await world.db.fetchval("SELECT count(*) FROM sessions") == 0
    assert [row["reason"] for row in await world.login_log()] == ["wrong_password"]


async def test_an_old_hash_opens_no_session_once_the_password_is_another(world: World) -> None:
    await world.make_user()
    dearer = Bcrypt(5).hash(PASSWORD)  # of another cost: due to be made anew at the sign-in
    await world.db.execute("UPDATE users SET password_hash = $1", dearer)
    async with world.db.begin() as tx:
        await tx.execute("UPDATE users SET password_hash = $1", Bcrypt(4).hash("another one"))
        signing_in = asyncio.create_task(world.attempt_login())
        await until_somebody_waits(world.db)

    answer = await signing_in

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert await world.db.fetchval("SELECT count(*) FROM sessions") == 0


async def test_two_first_sign_ins_at_once_with_an_old_hash_both_succeed(world: World) -> None:
    await world.make_user()
    await world.db.execute("UPDATE users SET password_hash = $1", Bcrypt(5).hash(PASSWORD))

    answers = await asyncio.gather(*(world.attempt_login() for _ in range(2)))

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_worker_without_a_key_opens_no_session(world: World) -> None:
    await world.make_user()
    await world.db.execute("UPDATE signing_keys SET dropped_at = now()")
    await world.service(Keyring).load()

    answer = await world.attempt_login()

    assert answer.status_code == 503
    assert await world.db.fetchval("SELECT count(*) FROM sessions") == 0
    assert await world.login_log() == []
