"""Line 60 of the abuse list: hanging up leaves no gap in the record of sign-ins."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.fixtures.asgi import RawAnswer, call_raw
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.hashes import held_hashes
from tests.fixtures.world import PASSWORD, World, eventually

from keyfob.limits.service import SignInThrottle
from keyfob.passwords.service import Passwords
from keyfob.settings import Settings

JSON = (b"content-type", b"application/json")


@pytest.fixture
async def world(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """The service with limits."""
    async with World(
        settings.model_copy(update={"limits": "on", "hashing_budget": 60}), clock
    ) as world:
        yield world


async def log_in(world: World, password: str, leaves: asyncio.Event) -> RawAnswer:
    body = json.dumps({"email": "ada@example.com", "password": password}).encode()
    return await call_raw(world, "POST", "/login", headers=[JSON], pieces=[body], leaves=leaves)


async def lines(world: World) -> list[tuple[str, str]]:
    return [(row["outcome"], row["reason"]) for row in await world.login_log()]


async def test_60_every_attempt_that_is_counted_is_logged(world: World) -> None:
    """Five clients leave while their password waits to be checked."""
    await world.make_user()
    departure, pool = asyncio.Event(), world.service(Passwords).pool
    async with held_hashes(pool):
        leaving = [asyncio.create_task(log_in(world, "wrong", departure)) for _ in range(5)]
        await eventually(lambda: pool.queued == 5)
        departure.set()
        answers = await asyncio.gather(*leaving)
        assert pool.queued == 0

    assert {answer.json()["code"] for answer in answers} == {"client_gone"}
    assert await lines(world) == [("refused", "client_left")] * 5
    assert (await world.attempt_login()).status_code == 429


@pytest.mark.parametrize("has_factor", [False, True])
async def test_60_what_follows_a_right_password_is_done_and_logged(
    world: World, clock: MovableClock, monkeypatch: pytest.MonkeyPatch, has_factor: bool
) -> None:
    await world.make_user()
    if has_factor:
        await add_totp(world, await world.log_in(), clock)
    before = len(await lines(world))
    departure, forgive = asyncio.Event(), SignInThrottle.forgive

    async def leave_and_forgive(*args: Any) -> None:
        departure.set()
        for _ in range(5):
            await asyncio.sleep(0)
        await forgive(*args)

    monkeypatch.setattr(SignInThrottle, "forgive", leave_and_forgive)

    await log_in(world, PASSWORD, departure)

    waiting = await world.db.fetchval("SELECT count(*) FROM pending_logins")
    logged = [] if has_factor else [("succeeded", "password")]
    assert ((await lines(world))[before:], waiting) == (logged, int(has_factor))
