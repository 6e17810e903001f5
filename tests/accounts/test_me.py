"""The caller's own account: right, and from memory for a few seconds only."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.statements import recorded_statements
from tests.fixtures.waiting import until
from tests.fixtures.world import SignedIn, World

from keyfob.accounts import profiles
from keyfob.authority.models import Role
from keyfob.settings import Settings


@pytest.fixture
async def workers(settings: Settings, clock: MovableClock) -> AsyncIterator[list[World]]:
    """Two workers on one database."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(World(settings, clock)) for _ in range(2)]


async def statements_of(world: World, caller: SignedIn) -> list[str]:
    """Request one's own account; return the statements."""
    with recorded_statements() as statements:
        assert (await world.me(caller)).status_code == 200
    return statements


async def name_of(world: World, caller: SignedIn) -> Any:
    return (await world.me(caller)).json()["name"]


async def rename_unheard(world: World, name: str) -> None:
    """Change a name without telling the workers, which the service never does."""
    await world.db.execute("UPDATE users SET name = $1", name)


async def test_it_is_the_caller_s_account_as_the_contract_says(
    world: World, clock: MovableClock
) -> None:
    user_id = await world.make_user("Ada@Example.com", name="Ada", role=Role.MODERATOR)
    clock.advance(60)
    signed_in = await world.log_in("ada@example.com")

    answer = await world.me(signed_in)

    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "id": str(user_id),
        "email": "Ada@Example.com",
        "email_verified": True,
        "name": "Ada",
        "role": "moderator",
        "status": "active",
        "locale": "en",
        "timezone": None,
        "created_at": "2026-11-22T12:00:00Z",
        "last_active_at": "2026-11-22T12:01:00Z",
        "online": True,
        "total_active_time": 0,
        "erase_at": None,
    }


async def test_it_is_remembered_for_three_seconds_and_no_longer(
    world: World, clock: MovableClock
) -> None:
    await world.make_user(name="Ada")
    signed_in = await world.log_in()
    assert len(await statements_of(world, signed_in)) == 1
    await rename_unheard(world, "Countess")

    clock.advance(2.9)
    assert await statements_of(world, signed_in) == []
    assert await name_of(world, signed_in) == "Ada"

    clock.advance(0.1)
    assert len(await statements_of(world, signed_in)) == 1
    assert await name_of(world, signed_in) == "Countess"


async def test_what_one_session_was_told_another_asks_for_itself(world: World) -> None:
    await world.make_user(name="Ada")
    first, second = await world.log_in(), await world.log_in()
    await world.me(first)
    await rename_unheard(world, "Countess")

    assert await name_of(world, second) == "Countess"


async def test_a_refreshed_token_asks_anew(world: World) -> None:
    await world.make_user(name="Ada")
    first = await world.log_in()
    await world.me(first)
    await rename_unheard(world, "Countess")

    assert await name_of(world, SignedIn.of(await world.refresh(first.refresh))) == "Countess"


async def test_users_are_never_told_each_other(world: World) -> None:
    callers = []
    for number in range(20):
        email = f"u{number}@example.com"
        await world.make_user(email)
        callers.append((email, await world.log_in(email)))

    for _ in range(2):
        for email, caller in callers:
            assert (await world.me(caller)).json()["email"] == email


async def test_a_change_is_heard_in_every_worker_though_the_clock_stands_still(
    workers: list[World],
) -> None:
    one, two = workers
    admin = await one.make_admin()
    ada = await one.make_user("ada@example.com", name="Ada")
    signed_in = await one.log_in()
    assert [await name_of(world, signed_in) for world in workers] == ["Ada", "Ada"]

    await one.api.patch(f"/admin/users/{ada}", json={"name": "Countess"}, headers=admin.headers)

    for world in (one, two):

        async def tells_the_new_name(world: World = world) -> bool:
            return bool(await name_of(world, signed_in) == "Countess")

        await until(tells_the_new_name)
        assert await statements_of(world, signed_in) == []


async def test_where_workers_poll_a_change_is_seen_within_a_second(
    settings: Settings, clock: MovableClock
) -> None:
    polling = settings.model_copy(update={"feed": "poll"})
    async with World(polling, clock) as one, World(polling, clock) as two:
        user_id = await one.make_user(name="Ada")
        admin, signed_in = await one.make_admin(), await one.log_in()
        assert await name_of(two, signed_in) == "Ada"

        await one.api.patch(
            f"/admin/users/{user_id}", json={"name": "Countess"}, headers=admin.headers
        )
        clock.advance(1)

        assert await name_of(two, signed_in) == "Countess"


async def test_while_the_feed_is_away_nothing_is_remembered(world: World) -> None:
    await world.make_user(name="Ada")
    signed_in = await world.log_in()
    await world.me(signed_in)
    await world.wiring.feed.stop()
    world.wiring.feed.is_live = False
    await rename_unheard(world, "Countess")

    assert await name_of(world, signed_in) == "Countess"
    await rename_unheard(world, "Lady")
    assert await name_of(world, signed_in) == "Lady"


async def test_an_account_that_vanished_is_nobody_s(world: World, clock: MovableClock) -> None:
    await world.make_user()
    signed_in = await world.log_in()
    await world.me(signed_in)
    await world.db.execute("DELETE FROM users")
    clock.advance(3)

    answer = await world.me(signed_in)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


async def test_memory_is_bounded_and_the_oldest_goes_first(world: World) -> None:
    world.service(profiles.Profiles).most_users = 3
    callers = []
    for number in range(5):
        await world.make_user(f"u{number}@example.com")
        callers.append(await world.log_in(f"u{number}@example.com"))
        await world.me(callers[-1])

    asked = [len(await statements_of(world, caller)) for caller in callers[2:]]
    assert asked == [0, 0, 0]
    assert len(await statements_of(world, callers[0])) == 1


async def test_accounts_whose_time_is_past_leave_memory_as_others_come(
    world: World, clock: MovableClock
) -> None:
    for number in range(6):
        await world.make_user(f"u{number}@example.com")
        await world.me(await world.log_in(f"u{number}@example.com"))
    clock.advance(3)
    await world.make_user()

    kept = []
    for _ in range(4):
        await world.me(await world.log_in())
        kept.append(len(world.service(profiles.Profiles)))

    assert kept == [5, 3, 1, 1]


async def test_who_asks_is_online_and_their_time_grows(world: World, clock: MovableClock) -> None:
    await world.make_user()
    signed_in = await world.log_in()
    for _ in range(4):
        clock.advance(60)
        await world.me(signed_in)
    await world.wiring.worker.last()
    clock.advance(3)

    body = (await world.me(signed_in)).json()

    assert (body["online"], body["last_active_at"]) == (True, "2026-11-22T12:04:03Z")
    assert body["total_active_time"] == 240


@pytest.mark.parametrize("path", ["/me", "/me/", "/auth/me", "/auth/me/"])
async def test_it_is_served_under_the_prefix_and_without_it(world: World, path: str) -> None:
    user_id = await world.make_user()
    signed_in = await world.log_in()

    answer: httpx.Response = await world.api.get(path, headers=signed_in.headers)

    assert UUID(answer.json()["id"]) == user_id
