"""Lines 43, 44 and 51 of the abuse list: what one client may do, and what it may learn."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import PASSWORD, World, eventually

from keyfob.passwords import hashing
from keyfob.passwords.hashing import HashingPool
from keyfob.settings import Settings

PER_ADDRESS = {
    "limits": "on",
    "limit_register": "2/minute",
    "limit_login": "2/minute",
    "limit_passkey": "2/minute",
    "limit_verify_email": "2/minute",
    "limit_recover": "2/minute",
}
# Every call that a stranger may make and that is counted by address; a sweep over all routes
# against their declarations is in tests/limits/test_declared.py.
ANONYMOUS = [
    "/register",
    "/login",
    "/login/mfa",
    "/login/mfa/options",
    "/login/passkey/options",
    "/login/passkey/verify",
    "/verify-email/request",
    "/verify-email/confirm",
    "/recover/request",
    "/recover/confirm",
]


async def test_43_a_token_of_ones_own_lifts_no_limit_per_address(
    settings: Settings, clock: MovableClock
) -> None:
    names = ["ada", "eve", "mallory"]
    limited = settings.model_copy(update=PER_ADDRESS)
    async with World(settings, clock) as free, World(limited, clock) as world:
        for name in names:
            await free.make_user(f"{name}@example.com")
        for path in ANONYMOUS:
            answers = []
            for name in names:
                own = await free.log_in(f"{name}@example.com")
                answers.append(await world.api.post(path, json={}, headers=own.headers))

            assert [one.status_code == 429 for one in answers] == [False, False, True], path
            clock.advance(60)


async def test_43_many_accounts_of_ones_own_hash_and_mail_no_more_than_an_address_may(
    settings: Settings, clock: MovableClock
) -> None:
    shipped = settings.model_copy(update={"limits": "on"})
    async with World(settings, clock) as free, World(shipped, clock) as world:
        for path in ("/me/reauthenticate", "/me/password", "/me/email", "/me/factors/totp"):
            passed = 0
            for number in range(24):
                email = f"{number}{path[4:].replace('/', '-')}@example.com"
                await free.make_user(email)
                own = await free.log_in(email)
                for _ in range(5):
                    answer = await world.api.post(path, json={}, headers=own.headers)
                    passed += answer.status_code != 429

            assert passed <= 60, path
            clock.advance(60)


async def log_in(client: httpx.AsyncClient, email: str) -> httpx.Response:
    return await client.post("/login", json={"email": email, "password": PASSWORD})


@contextmanager
def held_hashes(pool: HashingPool) -> Iterator[Callable[[], None]]:
    """Keep every thread of the pool busy until the function that is given is called."""
    released = threading.Event()
    held = [
        asyncio.create_task(pool.run(partial(released.wait, 30), (f"held {thread}", "")))
        for thread in range(pool.threads)
    ]
    try:
        yield released.set
    finally:
        released.set()
        del held


async def test_44_one_client_cannot_take_all_password_checks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "MAX_QUEUED", 12)
    pool = world.app.state.wiring.passwords.pool
    users = [f"{number}@example.com" for number in range(18)]
    for email in [*users, "ada@example.com"]:
        await world.make_user(email)
    networks = [world.client(f"2001:db8:0:{number}::1") for number in range(6)]  # of one /48

    with held_hashes(pool) as release:
        asked = [
            asyncio.create_task(log_in(networks[number % 6], email))
            for number, email in enumerate(users)
        ]
        await eventually(lambda: sum(task.done() for task in asked) == 6)  # what did not fit
        somebody = asyncio.create_task(log_in(world.client("192.0.2.7"), "ada@example.com"))
        await eventually(lambda: sum(task.done() for task in asked) == 7)
        release()
        answer = await somebody
        statuses = [(await task).status_code for task in asked]

    assert answer.status_code == 200
    assert sorted(statuses) == [200] * 11 + [503] * 7
