"""Lines 43, 44 and 51 of the abuse list: what one client may do, and what it may learn."""

import asyncio

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hashes import held_hashes, recorded_hashes
from tests.fixtures.world import World, eventually

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


async def test_44_one_client_cannot_take_all_password_checks(
    settings: Settings, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The places are counted here; how long a hash takes on a busy machine is to change nothing."""
    monkeypatch.setattr(hashing, "MAX_QUEUED", 12)
    async with World(settings.model_copy(update={"hashing_budget": 1000.0}), clock) as world:
        await assert_one_client_does_not_take_all(world)


async def assert_one_client_does_not_take_all(world: World) -> None:
    pool = world.service(HashingPool)
    users = [f"{number}@example.com" for number in range(18)]
    for email in [*users, "ada@example.com"]:
        await world.make_user(email)
    networks = [world.client(f"2001:db8:0:{number}::1") for number in range(6)]  # of one /48

    async with held_hashes(pool) as release:
        asked = [
            asyncio.create_task(world.attempt_login(email, by=networks[number % 6]))
            for number, email in enumerate(users)
        ]
        await eventually(lambda: sum(task.done() for task in asked) >= 6, 30)  # what did not fit
        somebody = asyncio.create_task(world.attempt_login(by="192.0.2.7"))
        await eventually(lambda: sum(task.done() for task in asked) >= 7, 30)
        release()
        answer = await somebody
        statuses = [(await task).status_code for task in asked]

    assert answer.status_code == 200
    assert sorted(statuses) == [200] * 11 + [503] * 7


async def costs_of(world: World, emails: list[str]) -> list[int]:
    """Return the cost of the one hash that a wrong password takes, for each address."""
    costs = []
    for email in emails:
        with recorded_hashes() as hashes:
            answer = await world.attempt_login(email, "a wrong horse, and no battery")
        assert answer.status_code == 401
        (cost,) = hashes
        costs.append(cost)
    return costs


async def test_44_one_client_cannot_take_the_database(
    settings: Settings, clock: MovableClock
) -> None:
    """Not by requests that are refused either: to count one takes a connection."""
    small = settings.model_copy(update={"database_pool_size": 2, "limits": "on"})
    done: list[str] = []
    async with World(small, clock) as world:
        await world.make_user()
        await world.make_user("eve@example.com")
        ada, eve = await world.log_in(), await world.log_in("eve@example.com")

        async def ask(who: str, address: str, path: str, headers: dict[str, str]) -> int:
            answer = await world.client(address).get(path, headers=headers)
            done.append(who)
            return answer.status_code

        async with world.db.connection(), world.db.connection():
            greedy = [
                asyncio.create_task(ask("eve", "192.0.2.1", "/admin/users", eve.headers))
                for _ in range(60)
            ]
            await eventually(lambda: world.db.waiting == 60)
            somebody = asyncio.create_task(ask("ada", "192.0.2.7", "/me/sessions", ada.headers))
            await eventually(lambda: world.db.waiting == 61)
        status = await somebody
        await asyncio.gather(*greedy)

    assert status == 200
    # Ada's request takes a connection twice: each time she waits for who is at work, and a turn.
    assert done.index("ada") < 12


async def test_51_no_time_tells_accounts_whose_hash_has_another_cost(
    settings: Settings, clock: MovableClock
) -> None:
    known = [f"known{number}@example.com" for number in range(8)]
    unknown = [f"unknown{number}@example.com" for number in range(64)]
    async with World(settings.model_copy(update={"bcrypt_cost": 6}), clock) as before:
        for email in known:
            await before.make_user(email)
    async with World(settings, clock) as world:
        await counted(world)
        # All accounts have a hash of the old cost, so every address costs as much.
        assert set(await costs_of(world, known + unknown)) == {6}

        for email in known[:4]:  # from now on at the present cost
            await world.log_in(email)
        await counted(world)
        halves = await costs_of(world, unknown)

        assert await costs_of(world, known) == [4] * 4 + [6] * 4
        assert 16 <= halves.count(6) <= 48
        # Asked again and again, here or at another worker, an address is always the same.
        assert await costs_of(world, unknown) == halves
        async with World(settings, clock) as other:
            await counted(other)
            assert await costs_of(other, unknown) == halves


async def counted(world: World) -> None:
    """Count the forms of stored hashes, as at the start and every few minutes."""
    for chore in world.wiring.worker.chores:
        if chore.name == "forms of password hashes":
            await chore.run()
