"""Erasure: requested, cancelled, and done when it is due."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.logs import captured_log
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.waiting import until, until_somebody_waits
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.authority.models import Role
from keyfob.own_account.erasure import OwnErasure
from keyfob.settings import Settings

GRACE = timedelta(days=14)


@pytest.fixture
async def workers(settings: Settings, clock: MovableClock) -> AsyncIterator[list[World]]:
    """Two workers on one database."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(World(settings, clock)) for _ in range(2)]


async def leave(world: World, caller: SignedIn) -> httpx.Response:
    return await world.api.delete("/me", headers=caller.headers)


async def keep(world: World, caller: SignedIn) -> httpx.Response:
    return await world.api.post("/me/keep", headers=caller.headers)


async def erase_due(world: World) -> None:
    """Run the chore."""
    await world.service(OwnErasure).erase_due()


async def exists(world: World, user_id: UUID) -> bool:
    return bool(await world.db.fetchval("SELECT EXISTS (SELECT FROM users WHERE id = $1)", user_id))


async def actions(world: World) -> list[Any]:
    return [event["action"] for event in await world.audit_log()]


async def test_it_is_planned_and_all_goes_on_until_then(
    world: World, ada: SignedIn, ada_id: UUID, clock: MovableClock
) -> None:
    answer = await leave(world, ada)

    assert answer.status_code == 202
    assert datetime.fromisoformat(answer.json()["erase_at"]) == START + GRACE
    assert (await world.me(ada)).json()["erase_at"] == answer.json()["erase_at"]
    assert (await world.log_in()).session_id
    clock.advance(days=13.99)
    await erase_due(world)
    assert await exists(world, ada_id)
    assert (await world.refresh(ada.refresh)).status_code == 200


async def test_when_the_time_has_come_the_account_is_gone_everywhere(
    workers: list[World], clock: MovableClock
) -> None:
    one, two = workers
    user_id = await one.make_user()
    ada = await one.log_in()
    await leave(one, ada)
    clock.advance(GRACE.total_seconds())
    later = SignedIn.of(await one.refresh((await two.log_in()).refresh))
    assert (await two.me(later)).status_code == 200

    await erase_due(one)

    async def refused_by_the_other() -> bool:
        return (await two.me(later)).status_code == 401

    assert not await exists(one, user_id)
    assert (await one.me(later)).status_code == 401
    await until(refused_by_the_other)
    assert (await two.refresh(later.refresh)).json()["code"] == "invalid_refresh_token"
    assert (await actions(one))[-1] == "user.erased"
    event = (await one.audit_log())[-1]
    assert (event["actor_id"], event["target_id"]) == (None, user_id)
    assert event["old_values"] == {"role": "user", "status": "active"}
    registered = await one.api.post(
        "/register", json={"email": "ada@example.com", "password": PASSWORD}
    )
    assert (await one.me(SignedIn.of(registered))).json()["id"] != str(user_id)


async def test_the_chore_does_it(settings: Settings, clock: MovableClock) -> None:
    at_once = settings.model_copy(update={"erasure_grace_days": 0})
    async with World(at_once, clock) as world:
        user_id = await world.make_user()
        answer = await leave(world, await world.log_in())
        assert datetime.fromisoformat(answer.json()["erase_at"]) == START
        (chore,) = [one for one in world.wiring.worker.chores if one.name == "erasures"]
        assert chore.every <= 60

        await chore.run()

        assert not await exists(world, user_id)


async def test_the_owner_is_told_at_each_step(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await world.make_user("Ada@Example.com", name="Ada")
    ada = await world.log_in("ada@example.com")

    await leave(world, ada)
    planned = await mailbox.next(to="Ada@example.com", subject="will be erased")
    await keep(world, ada)
    await mailbox.next(to="Ada@example.com", subject="Your account stays")
    await leave(world, ada)
    await mailbox.next(to="Ada@example.com", subject="will be erased")
    clock.advance(GRACE.total_seconds())
    await erase_due(world)
    last = await mailbox.next(to="Ada@example.com", subject="was erased")

    assert "2026-12-06" in planned.text
    assert "Ada King" not in last.text
    await mailbox.assert_none(world)
    assert await world.db.fetchval("SELECT count(*) FROM outbox") == 0


async def test_asked_twice_it_stays_as_it_was_planned(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    first = await leave(world, ada)
    await mailbox.next(subject="will be erased")
    clock.advance(60)

    second = await leave(world, ada)

    assert (second.status_code, second.json()) == (202, first.json())
    await mailbox.assert_none(world)
    assert (await actions(world)).count("user.erasure_planned") == 1


async def test_of_two_wishes_at_once_one_counts(workers: list[World]) -> None:
    await workers[0].make_user()
    ada = await workers[0].log_in()

    answers = await asyncio.gather(*(leave(world, ada) for world in workers for _ in range(5)))

    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert (await actions(workers[0])).count("user.erasure_planned") == 1
    kinds = await workers[0].db.fetch("SELECT kind FROM outbox")
    assert len(kinds) <= 1


async def test_taken_back_it_does_not_happen(
    world: World, ada: SignedIn, ada_id: UUID, clock: MovableClock
) -> None:
    await leave(world, ada)

    answer = await keep(world, ada)

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await world.me(ada)).json()["erase_at"] is None
    clock.advance(days=30)
    await erase_due(world)
    assert await exists(world, ada_id)
    assert (await actions(world))[-2:] == ["user.erasure_planned", "user.erasure_cancelled"]


async def test_with_nothing_planned_there_is_nothing_to_take_back(
    mailbox: Mailbox, world: World
) -> None:
    await world.make_user()
    ada = await world.log_in()
    before = await actions(world)

    assert (await keep(world, ada)).status_code == 204

    assert await actions(world) == before
    await mailbox.assert_none(world)


async def test_whoever_comes_first_decides_keep_or_chore(
    workers: list[World], clock: MovableClock
) -> None:
    one, two = workers
    outcomes = set()
    for number in range(12):
        email = f"ada{number}@example.com"
        user_id = await one.make_user(email)
        await leave(one, await one.log_in(email))
        clock.advance(GRACE.total_seconds())
        ada = await one.log_in(email)

        kept, _ = await asyncio.gather(keep(one, ada), erase_due(two))

        stays = await exists(one, user_id)
        assert (kept.status_code == 204) == stays
        assert kept.status_code in {204, 401}
        outcomes.add(stays)
        await one.db.execute("DELETE FROM users")
    assert outcomes


async def test_a_wish_to_stay_that_comes_first_is_heard(
    world: World, ada: SignedIn, ada_id: UUID, clock: MovableClock
) -> None:
    await leave(world, ada)
    clock.advance(GRACE.total_seconds())

    async with world.db.begin() as tx:
        await tx.execute("UPDATE users SET erase_at = NULL WHERE id = $1", ada_id)
        erasing = asyncio.create_task(erase_due(world))
        await until_somebody_waits(world.db)
    await erasing

    assert await exists(world, ada_id)


async def test_a_wish_to_stay_that_comes_second_finds_nobody(
    world: World, ada: SignedIn, ada_id: UUID
) -> None:
    await leave(world, ada)

    async with world.db.begin() as tx:
        await tx.execute("DELETE FROM users WHERE id = $1", ada_id)
        keeping = asyncio.create_task(keep(world, ada))
        await until_somebody_waits(world.db)

    assert (await keeping).status_code == 401


async def test_several_workers_erase_each_once(workers: list[World], clock: MovableClock) -> None:
    one, two = workers
    amount = 8
    for number in range(amount):
        await one.make_user(f"u{number}@example.com")
        await leave(one, await one.log_in(f"u{number}@example.com"))
    clock.advance(GRACE.total_seconds())

    await asyncio.gather(*(erase_due(world) for world in (one, two, one)))

    assert await one.db.fetchval("SELECT count(*) FROM users") == 0
    assert (await actions(one)).count("user.erased") == amount


async def test_a_worker_that_starts_later_does_it(settings: Settings, clock: MovableClock) -> None:
    async with World(settings, clock) as before:
        user_id = await before.make_user()
        await leave(before, await before.log_in())
    clock.advance(GRACE.total_seconds())

    async with World(settings, clock) as after:
        await erase_due(after)
        assert not await exists(after, user_id)


async def test_a_stale_sign_in_plans_nothing_and_may_take_back(
    world: World, ada: SignedIn, clock: MovableClock, settings: Settings
) -> None:
    await leave(world, ada)
    clock.advance(settings.recent_sign_in + 1)
    later = SignedIn.of(await world.refresh(ada.refresh))

    assert (await keep(world, later)).status_code == 204
    answer = await leave(world, later)

    assert (answer.status_code, answer.json()["code"]) == (401, "insufficient_user_authentication")
    assert "max_age" in answer.headers["www-authenticate"]
    assert (await world.me(later)).json()["erase_at"] is None


async def test_the_last_admin_stays(world: World) -> None:
    admin = await world.make_admin()
    await world.make_user("blocked@example.com", role=Role.ADMIN)
    await world.db.execute("UPDATE users SET status = 'blocked' WHERE email LIKE 'blocked%'")

    answer = await leave(world, admin)

    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert (await world.me(admin)).json()["erase_at"] is None


async def test_an_admin_who_leaves_is_none_to_rely_on(world: World) -> None:
    first = await world.make_admin("first@example.com")
    second = await world.make_admin("second@example.com")
    second_id = (await world.me(second)).json()["id"]
    assert (await leave(world, first)).status_code == 202

    refused = [
        await leave(world, second),
        await world.api.patch(
            f"/admin/users/{second_id}", json={"role": "user"}, headers=first.headers
        ),
        await world.api.delete(f"/admin/users/{second_id}", headers=first.headers),
    ]

    assert [answer.json()["code"] for answer in refused] == ["last_admin"] * 3
    assert (await keep(world, first)).status_code == 204
    assert (await leave(world, second)).status_code == 202


async def test_of_two_last_admins_that_leave_at_once_one_stays(
    workers: list[World], clock: MovableClock
) -> None:
    one, two = workers
    for number in range(6):
        callers = [await one.make_admin(f"{who}{number}@example.com") for who in "ab"]

        answers = await asyncio.gather(leave(one, callers[0]), leave(two, callers[1]))

        assert sorted(answer.status_code for answer in answers) == [202, 409]
        clock.advance(GRACE.total_seconds())
        await asyncio.gather(erase_due(one), erase_due(two))
        assert await one.db.fetchval("SELECT count(*) FROM users WHERE role = 'admin'") == 1
        await one.db.execute("DELETE FROM users")


async def test_one_that_cannot_go_does_not_keep_the_others(
    world: World, clock: MovableClock
) -> None:
    await world.make_admin()
    await world.make_user("ada@example.com")
    await leave(world, await world.log_in())
    await world.db.execute("UPDATE users SET erase_at = $1 WHERE role = 'admin'", START)
    clock.advance(GRACE.total_seconds())

    with captured_log() as log:
        await erase_due(world)

    assert [row["email"] for row in await world.db.fetch("SELECT email FROM users")] == [
        "root@example.com"
    ]
    assert len(log.named("last_admin_not_erased")) == 1


async def test_more_than_a_batch_are_all_erased(world: World, clock: MovableClock) -> None:
    await world.db.execute(
        """
        INSERT INTO users (id, email, email_normal, created_at, updated_at, erase_at)
        SELECT gen_random_uuid(), n || '@example.com', n || '@example.com', $1, $1, $1
          FROM generate_series(1, 230) AS n
        """,
        START,
    )

    await erase_due(world)

    assert await world.db.fetchval("SELECT count(*) FROM users") == 0


async def test_a_last_word_that_nobody_takes_is_not_kept(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await world.make_user()
    await leave(world, await world.log_in())
    await mailbox.next(subject="will be erased")
    mailbox.answers += ["550 no such user"] * 5
    clock.advance(GRACE.total_seconds())
    await erase_due(world)

    await mailbox.settled(world)
    clock.advance(days=2)
    (chore,) = [one for one in world.wiring.worker.chores if one.name == "old dead letters"]
    await chore.run()

    assert await world.db.fetchval("SELECT count(*) FROM outbox") == 0
