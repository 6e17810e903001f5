"""Lines 42 and 47 of the abuse list: no stranger kills a link, and a block kills all."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from tests.abuse.proofs import EVES, register_as_eve
from tests.fixtures.clock import MovableClock
from tests.fixtures.links import (
    ADA,
    OTHER,
    ask,
    confirm_email,
    recover,
    recovery_token,
    token_from,
)
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import SignedIn, World

from keyfob.settings import Settings

CONFIRM = "Confirm your e-mail address"


async def guess_and_ask(world: World) -> None:
    """Send 40 guesses and 20 requests from two addresses, which throttles an unknown address."""
    for number in range(40):
        client = world.client(f"198.51.100.{number % 2}")
        await world.attempt_login(ADA, f"guess {number}", by=client)
    for number in range(20):
        client = world.client(f"198.51.100.{number % 2}")
        await client.post("/recover/request", json={"email": ADA})


async def test_42_an_owner_on_a_new_address_recovers_whatever_others_ask_for(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    async with World(settings.model_copy(update={"limits": "on"}), clock) as world:
        await world.make_user()
        await guess_and_ask(world)
        await mailbox.settled(world)
        clock.advance(31 * 60)  # the half hour of the links has passed, the hour of the caps not
        await guess_and_ask(world)
        owner = world.client("192.0.2.9")

        await owner.post("/recover/request", json={"email": ADA})
        await mailbox.settled(world)

        tokens = [token for mail in mailbox.mails for token in mail.tokens()]
        answers = [await recover(world, token, address="192.0.2.9") for token in tokens[::-1]]
        assert 204 in [answer.status_code for answer in answers]
        signed_in = await world.attempt_login(ADA, OTHER, by=owner)
        assert signed_in.status_code == 200


async def test_42_a_stranger_s_request_kills_no_link_of_the_owner(
    world: World, mailbox: Mailbox
) -> None:
    await world.make_user()
    of_owner = await recovery_token(world, mailbox)
    await recovery_token(world, mailbox)  # the stranger's, whose mail the owner gets, too

    assert (await recover(world, of_owner)).status_code == 204


async def test_42_a_stranger_s_request_kills_no_invitation(world: World, mailbox: Mailbox) -> None:
    root = await world.make_admin()
    await world.api.post("/admin/users", json={"email": ADA}, headers=root.headers)
    invited = await token_from(mailbox, subject="You are invited")
    await recovery_token(world, mailbox)

    assert (await recover(world, invited)).status_code == 204


async def test_42_who_knows_the_password_kills_no_link_of_the_owner(
    world: World, mailbox: Mailbox
) -> None:
    """Threat: with one new password a minute, no link would stay valid until it is opened."""
    eve = await register_as_eve(world)
    of_owner = await recovery_token(world, mailbox)

    body = {"current_password": EVES, "password": "another of the stranger's"}
    assert (await world.api.post("/me/password", json=body, headers=eve.headers)).status_code == 200

    assert (await recover(world, of_owner)).status_code == 204


async def change_status(world: World, root: SignedIn, status: str) -> None:
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)
    answer = await world.api.patch(
        f"/admin/users/{user_id}", json={"status": status}, headers=root.headers
    )
    assert answer.status_code == 200


BringLink = Callable[[World, Mailbox], Awaitable[Callable[[], Awaitable[httpx.Response]]]]


async def of_recovery(world: World, mailbox: Mailbox) -> Callable[[], Awaitable[httpx.Response]]:
    token = await recovery_token(world, mailbox)
    return lambda: recover(world, token)


async def of_invitation(world: World, mailbox: Mailbox) -> Callable[[], Awaitable[httpx.Response]]:
    root = await world.log_in("root@example.com")
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)
    await world.api.post(f"/admin/users/{user_id}/invite", headers=root.headers)
    token = await token_from(mailbox, subject="You are invited")
    return lambda: recover(world, token)


async def of_verification(
    world: World, mailbox: Mailbox
) -> Callable[[], Awaitable[httpx.Response]]:
    await ask(world, "/verify-email/request")
    token = await token_from(mailbox, subject=CONFIRM)
    return lambda: confirm_email(world, token)


@pytest.mark.parametrize("bring", [of_recovery, of_invitation, of_verification])
@pytest.mark.parametrize("is_unblocked", [False, True])
async def test_47_a_link_from_before_a_block_is_dead(
    world: World, mailbox: Mailbox, bring: BringLink, is_unblocked: bool
) -> None:
    root = await world.make_admin()
    await register_as_eve(world)
    use = await bring(world, mailbox)
    await change_status(world, root, "blocked")
    if is_unblocked:
        await change_status(world, root, "active")

    assert (await use()).status_code == 400

    assert (await world.attempt_login(password=OTHER)).status_code == 401
    assert (
        await world.db.fetchval("SELECT email_verified_at FROM users WHERE email_normal = $1", ADA)
        is None
    )


async def move_by_administrator(world: World, root: SignedIn) -> None:
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)
    moved = {"email": "ada@example.org"}
    path = f"/admin/users/{user_id}"
    assert (await world.api.patch(path, json=moved, headers=root.headers)).status_code == 200


async def block_for_a_while(world: World, root: SignedIn) -> None:
    await change_status(world, root, "blocked")
    await change_status(world, root, "active")


@pytest.mark.parametrize("end", ["proof", "recovery", move_by_administrator, block_for_a_while])
async def test_47_a_change_of_address_that_was_asked_for_before_is_not_gone_on_with(
    world: World, mailbox: Mailbox, end: str | Callable[[World, SignedIn], Awaitable[None]]
) -> None:
    """Nor where its link was not sent yet: a stranger asks in the moment before the owner comes."""
    root = await world.make_admin()
    eve = await register_as_eve(world)
    recovering = await recovery_token(world, mailbox)
    await ask(world, "/verify-email/request")
    proving = await token_from(mailbox, subject=CONFIRM)
    await world.wiring.runner.stop()
    elsewhere = {"email": "eve@example.org"}
    asked = await world.api.post("/me/email", json=elsewhere, headers=eve.headers)
    assert asked.status_code == 202

    if end == "proof":
        assert (await confirm_email(world, proving)).status_code == 200
    elif isinstance(end, str):
        assert (await recover(world, recovering)).status_code == 204
    else:
        await end(world, root)
    await world.wiring.runner.start()

    await mailbox.assert_none(world, to="eve@example.org")
    left = await world.db.fetchval(
        "SELECT count(*) FROM one_time_tokens WHERE kind = 'change_email'"
    )
    assert left == 0
