"""No password is hashed for a client that has disconnected."""

import asyncio
import json

import pytest
from tests.fixtures.asgi import call_raw
from tests.fixtures.hashes import held_hashes
from tests.fixtures.world import PASSWORD, World, eventually

from keyfob.core.problems import Overloaded
from keyfob.passwords.service import PasswordMatch, Passwords

BODY = json.dumps({"email": "ada@example.com", "password": PASSWORD}).encode()
JSON = (b"content-type", b"application/json")


@pytest.mark.parametrize("path", ["/login", "/register"])
async def test_hashing_for_a_client_that_left_is_given_up(world: World, path: str) -> None:
    left, pool = asyncio.Event(), world.service(Passwords).pool
    async with held_hashes(pool):
        asking = asyncio.create_task(
            call_raw(world, "POST", path, headers=[JSON], pieces=[BODY], leaves=left)
        )
        await eventually(lambda: pool.queued == 1)
        left.set()
        answer = await asking
        assert pool.queued == 0

    assert (answer.status, answer.json()["code"]) == (400, "client_gone")
    assert await world.db.fetchval("SELECT count(*) FROM users") == 0


async def test_a_client_that_stays_gets_its_answer(world: World) -> None:
    await world.make_user()

    answer = await call_raw(world, "POST", "/login", headers=[JSON], pieces=[BODY[:9], BODY[9:]])

    assert answer.status == 200


async def test_a_refusal_reaches_the_client_that_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> PasswordMatch:
        raise Overloaded(retry_after=7)

    monkeypatch.setattr(Passwords, "matches", refuse)

    answer = await call_raw(world, "POST", "/login", headers=[JSON], pieces=[BODY])

    assert (answer.status, answer.json()["code"]) == (503, "overloaded")
    assert answer.header(b"retry-after") == b"7"


async def test_a_departure_before_the_work_is_done_leaves_no_task_behind(world: World) -> None:
    await world.make_user()
    before = len(asyncio.all_tasks())

    await call_raw(world, "POST", "/login", headers=[JSON], pieces=[BODY], leaves=True)
    await asyncio.sleep(0)

    assert len(asyncio.all_tasks()) <= before
