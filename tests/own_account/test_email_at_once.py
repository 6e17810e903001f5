"""Changing the e-mail address while something else happens: one of the two wins."""

import asyncio
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.logs import captured_log
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.waiting import until_so_many_wait, until_somebody_waits
from tests.fixtures.world import PASSWORD, SignedIn, World
from tests.own_account.moving import confirm, email_of, issue, request

from keyfob.core import batches
from keyfob.own_account.erasure import Erasure
from keyfob.settings import Settings

DELIVERED = "Countess@example.org"


async def test_an_address_that_was_taken_meanwhile_is_refused(
    world: World, ada: SignedIn, ada_id: UUID
) -> None:
    token = await issue(world, ada_id)
    await world.make_user("countess@example.org")

    answer = await confirm(world, ada, token)

    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert await email_of(world, ada) == "Ada@Example.com"
    assert (await world.audit_log())[-1]["action"] != "user.email_changed"


async def test_of_a_registration_and_a_confirmation_at_once_one_wins(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        for number in range(10):
            user_id = await one.make_user(f"ada{number}@example.com")
            ada = await one.log_in(f"ada{number}@example.com")
            email = f"new{number}@example.org"
            token = await issue(one, user_id, email)

            confirmed, registered = await asyncio.gather(
                confirm(one, ada, token),
                two.api.post("/register", json={"email": email, "password": PASSWORD}),
            )

            outcomes = (confirmed.status_code, registered.status_code)
            assert outcomes in {(204, 409), (409, 201)}
            owners = await one.db.fetch("SELECT id FROM users WHERE email_normal = $1", email)
            assert len(owners) == 1


async def test_of_two_confirmations_at_once_one_wins(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        user_id = await one.make_user()
        ada = await one.log_in()
        token = await issue(one, user_id)

        answers = await asyncio.gather(
            *(confirm(world, ada, token) for world in (one, two) for _ in range(5))
        )

        assert sorted(answer.status_code for answer in answers) == [204] + [400] * 9
        changes = [e for e in await one.audit_log() if e["action"] == "user.email_changed"]
        assert len(changes) == 1


async def test_two_accounts_that_want_one_address_do_not_both_get_it(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        ids = [await one.make_user(f"{who}@example.com") for who in ("ada", "eve")]
        callers = [await one.log_in(f"{who}@example.com") for who in ("ada", "eve")]
        tokens = [await issue(one, user_id) for user_id in ids]

        answers = await asyncio.gather(
            confirm(one, callers[0], tokens[0]), confirm(two, callers[1], tokens[1])
        )

        assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_an_account_deleted_meanwhile_is_moved_nowhere(
    world: World, ada: SignedIn, ada_id: UUID
) -> None:
    token = await issue(world, ada_id)

    async with world.db.begin() as tx:
        await tx.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", ada_id)
        confirming = asyncio.create_task(confirm(world, ada, token))
        requesting = asyncio.create_task(request(world, ada))
        await until_somebody_waits(world.db)
        await tx.execute("DELETE FROM users WHERE id = $1", ada_id)

    assert [(await one).status_code for one in (confirming, requesting)] == [401, 401]
    assert await world.db.fetchval("SELECT count(*) FROM outbox") == 0


async def test_a_link_asked_for_before_a_restart_works_after_it(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as before:
        await before.make_user()
        ada = await before.log_in()
        await request(before, ada)

    async with World(settings, clock) as after:
        (token,) = (await mailbox.next(to=DELIVERED)).tokens()
        assert (await confirm(after, ada, token)).status_code == 204


async def test_a_change_is_not_ended_without_the_factor_that_came_after_its_beginning(
    clock: MovableClock, world: World
) -> None:
    user_id = await world.make_user()
    thief, ada = await world.log_in(), await world.log_in()
    token = await issue(world, user_id, "thief@example.org")
    await add_totp(world, ada, clock)

    answer = await confirm(world, thief, token)

    assert (answer.status_code, answer.json()["code"]) == (
        401,
        "insufficient_user_authentication",
    )
    assert await email_of(world, thief) == "ada@example.com"


async def test_who_is_removed_while_asking_for_the_address_of_whoever_does_it_is_gone_at_once(
    mailbox: Mailbox, world: World, ada: SignedIn, ada_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each waits for the other until PostgreSQL gives one of them up, after a second."""
    monkeypatch.setattr(batches, "AT_ONCE", 1)
    await world.log_in("ada@example.com")
    root = await world.make_admin("root@example.com")
    await world.wiring.runner.stop()
    assert (await request(world, ada, "root@example.com")).status_code == 202
    clear, cleared, goes_on = Erasure.clear, asyncio.Event(), asyncio.Event()

    async def slow(erasure: Erasure, user_id: UUID) -> int:
        """Stop between the question whether the account may go, and its end."""
        position = await clear(erasure, user_id)
        cleared.set()
        await goes_on.wait()
        return position

    monkeypatch.setattr(Erasure, "clear", slow)
    with captured_log() as log:
        path = f"/admin/users/{ada_id}"
        removing = asyncio.create_task(world.api.delete(path, headers=root.headers))
        await cleared.wait()
        async with world.db.begin() as tx:
            await tx.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", ada_id)
            goes_on.set()
            await until_so_many_wait(world.db, 1)
            await world.wiring.runner.start()
            await until_so_many_wait(world.db, 2)
        assert (await removing).status_code == 204
        await mailbox.assert_none(world, to="root@example.com")

    assert log.named("outbox_job_postponed") == []
