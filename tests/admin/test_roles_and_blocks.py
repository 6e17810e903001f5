"""A new role or status takes effect at once in every worker, and ends no other sessions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import claims_of
from tests.fixtures.waiting import until, until_somebody_waits
from tests.fixtures.world import SignedIn, World

from keyfob.authority.models import Role
from keyfob.devices.source import Source
from keyfob.settings import Settings

ELSEWHERE = Source("2001:db8::9", "")


@pytest.fixture
async def workers(settings: Settings, clock: MovableClock) -> AsyncIterator[list[World]]:
    """Two workers on one database."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(World(settings, clock)) for _ in range(2)]


async def change(world: World, admin: SignedIn, user_id: UUID, **body: str) -> None:
    answer = await world.api.patch(f"/admin/users/{user_id}", json=body, headers=admin.headers)
    assert answer.status_code == 200, answer.text


async def refuses(world: World, signed_in: SignedIn) -> bool:
    return (await world.me(signed_in)).status_code == 401


async def test_a_new_role_kills_old_tokens_at_once_and_comes_with_the_next_refresh(
    workers: list[World],
) -> None:
    one, two = workers
    admin = await one.make_admin()
    ada = await one.make_user("ada@example.com")
    sessions = [await one.log_in(), await two.log_in()]
    assert [(await two.me(session)).status_code for session in sessions] == [200, 200]

    await change(one, admin, ada, role="moderator")

    assert [await refuses(one, session) for session in sessions] == [True, True]
    for session in sessions:
        await until(partial(refuses, two, session))
    # Nobody was signed out: each session goes on, in either worker, with the new role.
    renewed = [
        SignedIn.of(await world.refresh(session.refresh))
        for world, session in zip((two, one), sessions, strict=True)
    ]
    assert [claims_of(session.access)["role"] for session in renewed] == ["moderator"] * 2
    assert [(await one.me(session)).json()["role"] for session in renewed] == ["moderator"] * 2
    assert [(await two.me(session)).json()["role"] for session in renewed] == ["moderator"] * 2


async def test_a_replayed_refresh_after_a_change_of_role_gives_no_token_of_the_old_role(
    world: World, admin: SignedIn
) -> None:
    ada = await world.make_user("ada@example.com", role=Role.ADMIN)
    first = await world.log_in("ada@example.com")
    await world.refresh(first.refresh)  # its answer is lost
    await change(world, admin, ada, role="user")

    replayed = SignedIn.of(await world.refresh(first.refresh))

    assert claims_of(replayed.access)["role"] == "user"
    assert (await world.me(replayed)).json()["role"] == "user"
    renewed = SignedIn.of(await world.refresh(replayed.refresh))
    assert (await world.me(renewed)).json()["role"] == "user"


async def test_a_sign_in_that_commits_meanwhile_has_no_token_of_the_old_role(
    world: World, admin: SignedIn
) -> None:
    ada = await world.make_user("ada@example.com", role=Role.ADMIN)

    async with world.db.begin() as tx:
        as_ada = await world.open_session(tx, ada, ELSEWHERE)
        demotion = asyncio.create_task(change(world, admin, ada, role="user"))
        await until_somebody_waits(world.db)
    await demotion

    assert (await world.api.get("/admin/users", headers=as_ada.headers)).status_code == 401
    renewed = SignedIn.of(await world.refresh(as_ada.refresh))
    assert (await world.api.get("/admin/users", headers=renewed.headers)).status_code == 403


async def test_refreshes_and_changes_of_role_at_once_end_with_the_last_role(
    workers: list[World],
) -> None:
    one, two = workers
    admin = await one.make_admin()
    ada = await one.make_user("ada@example.com")
    session = await one.log_in()

    for role in ["admin", "user"] * 6:
        refreshed, _ = await asyncio.gather(
            two.refresh(session.refresh), change(one, admin, ada, role=role)
        )
        session = SignedIn.of(refreshed)

        # Whichever came first: a token is either of the new role or dead.
        me = await one.me(session)
        assert me.status_code == 401 or claims_of(session.access)["role"] == role
        session = SignedIn.of(await two.refresh(session.refresh))
        assert claims_of(session.access)["role"] == role
        assert (await one.me(session)).json()["role"] == role


async def test_the_same_role_again_disturbs_nobody(world: World, admin: SignedIn) -> None:
    ada = await world.make_user("ada@example.com")
    session = await world.log_in()

    await change(world, admin, ada, role="user", status="active")

    assert not await refuses(world, session)


async def test_a_block_ends_every_session_everywhere_and_for_good(workers: list[World]) -> None:
    one, two = workers
    admin = await one.make_admin()
    ada = await one.make_user("ada@example.com")
    sessions = [await one.log_in(), await two.log_in()]
    assert [(await two.me(session)).status_code for session in sessions] == [200, 200]

    await change(one, admin, ada, status="blocked")

    for session in sessions:
        assert await refuses(one, session)
        await until(partial(refuses, two, session))
        assert (await two.refresh(session.refresh)).status_code == 401
    rows = await one.db.fetch("SELECT ended_at, end_reason FROM sessions WHERE user_id = $1", ada)
    assert [(row["end_reason"], row["ended_at"] is None) for row in rows] == [
        ("blocked", False),
        ("blocked", False),
    ]

    await change(two, admin, ada, status="active")
    assert [await refuses(one, session) for session in sessions] == [True, True]
    assert [(await one.refresh(session.refresh)).status_code for session in sessions] == [401, 401]
    assert (await two.me(await two.log_in())).json()["status"] == "active"


async def test_a_sign_in_that_commits_meanwhile_does_not_outlive_the_block(
    world: World, admin: SignedIn
) -> None:
    ada = await world.make_user("ada@example.com")

    async with world.db.begin() as tx:
        as_ada = await world.open_session(tx, ada, ELSEWHERE)
        block = asyncio.create_task(change(world, admin, ada, status="blocked"))
        await until_somebody_waits(world.db)
    await block

    assert await refuses(world, as_ada)
    assert (await world.refresh(as_ada.refresh)).status_code == 401


async def test_a_sign_in_that_comes_after_the_block_waits_for_it_and_is_refused(
    world: World, admin: SignedIn
) -> None:
    ada = await world.make_user("ada@example.com")

    async with world.db.begin() as tx:
        await tx.execute("UPDATE users SET status = 'blocked' WHERE id = $1", ada)
        attempt = asyncio.create_task(world.attempt_login())
        await until_somebody_waits(world.db)

    assert ((await attempt).status_code, (await attempt).json()["code"]) == (403, "account_blocked")


async def test_signing_a_user_out_ends_their_sessions_and_nobody_else_s(
    workers: list[World],
) -> None:
    one, two = workers
    admin = await one.make_admin()
    ada = await one.make_user("ada@example.com")
    await one.make_user("bob@example.com")
    adas, bobs = await two.log_in(), await two.log_in("bob@example.com")

    answer = await one.api.delete(f"/admin/users/{ada}/logout-all", headers=admin.headers)

    assert answer.status_code == 204
    await until(lambda: refuses(two, adas))
    assert (await two.refresh(adas.refresh)).status_code == 401
    assert not await refuses(two, bobs)
    assert not await refuses(one, admin)
    assert (await two.me(await two.log_in())).status_code == 200
    event = (await one.audit_log())[-1]
    assert (event["action"], event["target_id"], event["new_values"]) == (
        "user.logged_out",
        ada,
        {"sessions": 1},
    )


async def test_an_administrator_may_demote_and_sign_out_themselves(
    world: World, admin: SignedIn
) -> None:
    await world.make_user("other@example.com", role=Role.ADMIN)
    own_id = UUID((await world.me(admin)).json()["id"])

    await change(world, admin, own_id, role="user")

    assert await refuses(world, admin)
    renewed = SignedIn.of(await world.refresh(admin.refresh))
    assert (await world.api.get("/admin/users", headers=renewed.headers)).status_code == 403
