"""A recovery and whatever happens at the same time: one wins, and no old session outlives it."""

import asyncio

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.links import (
    ADA,
    OTHER,
    ask,
    recover,
    recovery_token,
    token_from,
)
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.statements import recorded_statements
from tests.fixtures.waiting import until, until_somebody_waits
from tests.fixtures.world import PASSWORD, World

from keyfob.passwords.service import Passwords
from keyfob.settings import Settings

REQUEST = "/recover/request"
RECOVERED = "Your password was set anew"


async def test_another_worker_refuses_the_old_sessions_too(
    mailbox: Mailbox, world: World, settings: Settings, clock: MovableClock
) -> None:
    await world.make_user()
    async with World(settings, clock) as other:
        ada = await other.log_in()
        await recover(world, await recovery_token(world, mailbox))

        async def is_refused() -> bool:
            return (await other.me(ada)).status_code == 401

        await until(is_refused)


async def test_no_connection_is_held_while_the_password_is_hashed(
    mailbox: Mailbox, world: World
) -> None:
    await world.make_user()
    token = await recovery_token(world, mailbox)
    asked_before: list[list[str]] = []
    scheme = world.service(Passwords).scheme

    class Watching:
        is_current = scheme.is_current

        def hash(self, password: str) -> str:
            asked_before.append(list(statements))
            return scheme.hash(password)

    object.__setattr__(world.service(Passwords), "scheme", Watching())
    with recorded_statements() as statements:
        assert (await recover(world, token)).status_code == 204

    (before,) = asked_before
    assert before
    assert not any(statement.startswith("BEGIN") for statement in before)
    assert statements[len(before)].startswith("BEGIN")


async def test_a_block_in_the_moment_of_the_recovery_comes_first_or_ends_what_it_gave(
    mailbox: Mailbox, world: World
) -> None:
    user_id = await world.make_user()
    root = await world.make_admin()
    token = await recovery_token(world, mailbox)

    async with world.db.begin() as tx:  # the link was found good, and waits for the account
        await tx.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", user_id)
        recovering = asyncio.create_task(recover(world, token))
        await until_somebody_waits(world.db)
        await tx.execute("UPDATE users SET status = 'blocked' WHERE id = $1", user_id)

    assert (await recovering).json()["code"] == "invalid_link"
    path = f"/admin/users/{user_id}"
    await world.api.patch(path, json={"status": "active"}, headers=root.headers)
    assert (await world.attempt_login(password=OTHER)).status_code == 401


async def test_of_two_that_use_one_link_at_once_on_two_workers_one_wins(
    mailbox: Mailbox, world: World, settings: Settings, clock: MovableClock
) -> None:
    await world.make_user()
    token = await recovery_token(world, mailbox)

    async with World(settings, clock) as other:
        async with world.db.begin() as tx:  # found good, hashed, and waiting for the account
            await tx.fetch("SELECT FROM users FOR UPDATE")
            both = asyncio.gather(
                recover(world, token, "the first horse"), recover(other, token, "the second horse")
            )
            await until_somebody_waits(world.db)
        answers = await both

    assert sorted(answer.status_code for answer in answers) == [204, 400]
    won = "the first horse" if answers[0].status_code == 204 else "the second horse"
    assert (await world.attempt_login(password=won)).status_code == 200
    await mailbox.next(to=ADA, subject=RECOVERED)
    await mailbox.assert_none(world)


async def test_a_sign_in_under_way_with_the_old_password_is_ended_with_the_others(
    mailbox: Mailbox, world: World
) -> None:
    """Threat: the thief's sign-in commits while the owner recovers."""
    user_id = await world.make_user()
    token = await recovery_token(world, mailbox)

    async with world.db.begin() as tx:
        await tx.execute("SELECT FROM users WHERE id = $1 FOR SHARE", user_id)
        signing_in = asyncio.create_task(world.attempt_login())
        answer = await signing_in  # shares the account with us
        recovering = asyncio.create_task(recover(world, token))
        await until_somebody_waits(world.db)

    assert (await recovering).status_code == 204
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await world.api.get("/me", headers=headers)).status_code == 401


async def test_it_goes_on_after_a_restart(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as first:
        await first.make_user()
        token = await recovery_token(first, mailbox)
    async with World(settings, clock) as second:
        assert (await recover(second, token)).status_code == 204
        assert (await second.attempt_login(password=OTHER)).status_code == 200


async def test_a_request_made_while_nobody_sends_is_done_by_who_comes_next(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as first:
        await first.make_user()
        await first.wiring.runner.stop()
        await ask(first, REQUEST)
    assert mailbox.mails == []
    async with World(settings, clock) as second:
        assert (await recover(second, await token_from(mailbox))).status_code == 204


@pytest.mark.parametrize("known_network", [False, True])
async def test_an_owner_who_is_throttled_gets_in_from_where_the_password_was_recovered(
    mailbox: Mailbox, settings: Settings, clock: MovableClock, known_network: bool
) -> None:
    async with World(settings.model_copy(update={"limits": "on"}), clock) as world:
        await world.make_user()
        if known_network:
            await world.log_in()
        for _ in range(5):  # the owner mistypes
            await world.attempt_login(password="forgotten, alas")
        for host in range(10):  # while somebody guesses elsewhere
            await world.attempt_login(password="a guess", by=f"198.51.100.{host}")
        assert (await world.attempt_login()).status_code == 429

        await recover(world, await recovery_token(world, mailbox))

        assert (await world.attempt_login(password=OTHER)).status_code == 200
        elsewhere = await world.attempt_login(password=OTHER, by="192.0.2.9")
        assert elsewhere.status_code == 429
        assert await world.attempt_login(password=PASSWORD)
