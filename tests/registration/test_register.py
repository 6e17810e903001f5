"""Signing up."""

from typing import Any

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hashes import recorded_hashes
from tests.fixtures.hostile import claims_of
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import CLIENT, PASSWORD, SignedIn, World

from keyfob.passwords.service import Passwords
from keyfob.settings import Settings

ADA = {"email": "Ada@Example.com", "password": PASSWORD}
TABLES = ("users", "user_activity", "sessions", "login_events", "audit_events")


async def register(world: World, **fields: Any) -> httpx.Response:
    return await world.api.post("/register", json={**ADA, **fields})


async def rows(world: World) -> dict[str, int]:
    return {table: await world.db.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}


async def test_a_newcomer_is_signed_in_as_an_active_user(world: World) -> None:
    answer = await register(world, name="  Ada Lovelace ")

    assert answer.status_code == 201
    assert set(answer.json()) == {
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "session_id",
    }
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("bearer", 300)
    assert answer.headers["cache-control"] == "no-store"
    signed_in = SignedIn.of(answer)
    me = (await world.me(signed_in)).json()
    assert (me["email"], me["name"], me["role"], me["status"]) == (
        "Ada@Example.com",
        "Ada Lovelace",
        "user",
        "active",
    )
    assert claims_of(signed_in.access)["sub"] == me["id"]
    assert (await world.refresh(signed_in.refresh)).status_code == 200
    assert (await world.me(await world.log_in("ada@example.com"))).json()["id"] == me["id"]


async def test_it_stands_in_both_logs(world: World) -> None:
    answer = await register(world)

    me = (await world.me(SignedIn.of(answer))).json()
    (login,), (event,) = await world.login_log(), await world.audit_log()
    assert (login["outcome"], login["reason"], str(login["user_id"])) == (
        "succeeded",
        "registered",
        me["id"],
    )
    assert (str(login["ip_address"]), str(login["session_id"])) == (
        CLIENT,
        answer.json()["session_id"],
    )
    assert (event["action"], str(event["actor_id"]), str(event["target_id"])) == (
        "user.registered",
        me["id"],
        me["id"],
    )


@pytest.mark.parametrize("name", [None, "Ada", "Zoë 李 O'Neill-Smith", "x" * 200])
async def test_a_name_is_optional_and_free(world: World, name: str | None) -> None:
    answer = await register(world, name=name)

    assert (await world.me(SignedIn.of(answer))).json()["name"] == name


async def test_a_taken_address_is_refused_after_as_much_work_and_leaves_nothing(
    world: World,
) -> None:
    with recorded_hashes() as hashes_of_the_first:
        await register(world)
    before = await rows(world)

    with recorded_hashes() as hashes_of_the_second:
        again = await register(world, email="ADA@example.com", password="another horse 4711")

    assert (again.status_code, again.json()["code"]) == (409, "email_taken")
    assert hashes_of_the_second == hashes_of_the_first
    assert await rows(world) == before
    assert (await world.log_in("ada@example.com")).access


async def test_an_address_that_was_blocked_cannot_register_again(world: World) -> None:
    await register(world)
    await world.db.execute("UPDATE users SET status = 'blocked'")

    assert (await register(world)).json()["code"] == "email_taken"


async def test_what_does_not_fit_is_refused_before_any_work(world: World) -> None:
    for fields, pointer in [
        ({"email": "nobody"}, "/body/email"),
        ({"email": ""}, "/body/email"),
        ({"email": "a@" + "x" * 300 + ".com"}, "/body/email"),
        ({"password": ""}, "/body/password"),
        ({"name": ""}, "/body/name"),
        ({"name": " "}, "/body/name"),
        ({"name": "x" * 201}, "/body/name"),
        ({"name": "a\u202eb"}, "/body/name"),
        ({"captcha": "x"}, "/body"),
    ]:
        with recorded_hashes() as hashes:
            refused = await register(world, **fields)

        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
        assert hashes == []
        assert set((await rows(world)).values()) == {0}


async def test_a_missing_field_is_named(world: World) -> None:
    answer = await world.api.post("/register", json={})

    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/body/email",
        "/body/password",
    }


async def test_a_weak_password_leaves_nothing(world: World) -> None:
    refused = await register(world, password="password1")

    assert (refused.status_code, refused.json()["code"]) == (422, "weak_password")
    assert set((await rows(world)).values()) == {0}


async def test_no_connection_is_held_while_the_password_is_hashed(world: World) -> None:
    """So that a wave of newcomers cannot take the pool from everybody else."""
    asked_before: list[int] = []
    scheme = world.service(Passwords).scheme

    class Watching:
        is_current = scheme.is_current

        def hash(self, password: str) -> str:
            asked_before.append(len(statements))
            return scheme.hash(password)

    object.__setattr__(world.service(Passwords), "scheme", Watching())
    with recorded_statements() as statements:
        assert (await register(world)).status_code == 201

    assert asked_before == [0]
    assert statements[0].startswith("BEGIN")
    assert statements[-1].startswith("COMMIT")


async def test_it_is_limited_by_address_and_tells_where_one_stands(
    settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_register": "2/minute"})
    async with World(limited, clock) as world:
        first, second, third = [
            await register(world, email=f"u{number}@example.com") for number in range(3)
        ]
        elsewhere = await world.client("198.51.100.1").post("/register", json=ADA)

    assert [answer.status_code for answer in (first, second, third, elsewhere)] == [
        201,
        201,
        429,
        201,
    ]
    assert (first.headers["ratelimit"], first.headers["ratelimit-policy"]) == (
        '"register";r=1;t=60',
        '"register";q=2;w=60',
    )
    assert (third.json()["code"], third.headers["retry-after"]) == ("too_many_requests", "60")
