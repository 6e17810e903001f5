"""KEYFOB_VERIFY_EMAIL=required: waiting sign-ups expire, give way and are limited."""

import asyncio

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hashes import recorded_hashes
from tests.fixtures.links import (
    ADA,
    OTHER,
    ask,
    confirm_email,
    recover,
    recovery_token,
    sign_up,
    token_from,
    told,
)
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.waiting import until_somebody_waits
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.accounts.email import Email
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.proof.sign_ups import WaitingSignUps
from keyfob.settings import Settings

CONFIRM = "Confirm your e-mail address"
TAKEN = "You have an account already"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    # Patient: a hundred wait at once for hashes that a busy machine makes late.
    return settings.model_copy(update={"verify_email": "required", "hashing_budget": 30.0})


async def test_a_hundred_sign_ups_of_one_address_at_once_make_one_account(
    mailbox: Mailbox, world: World
) -> None:
    answers = await asyncio.gather(
        *(sign_up(world, password=f"a horse of number {number}") for number in range(100))
    )
    await mailbox.settled(world)

    assert {answer.status_code for answer in answers} == {202}
    assert await world.db.fetchval("SELECT count(*) FROM users") == 1
    tokens = [token for mail in mailbox.mails for token in mail.tokens()]
    proven = [(await confirm_email(world, token)).status_code for token in tokens]
    assert len(tokens) == 100
    assert sorted(proven) == [200] + [400] * 99


async def test_after_a_week_nothing_is_left_of_a_sign_up_that_nobody_proved(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await sign_up(world)
    late = await token_from(mailbox)
    assert (await world.attempt_login()).status_code == 401  # in the login log, of this account
    proven = await world.make_user("proven@example.com")
    clock.advance(days=7, seconds=1801)

    chores = {chore.name: chore.run for chore in world.wiring.worker.chores}
    await chores["old sign-ups"]()

    assert [row["id"] for row in await world.db.fetch("SELECT id FROM users")] == [proven]
    assert (await confirm_email(world, late)).json()["code"] == "invalid_link"
    (event,) = [one for one in await world.audit_log() if one["action"] == "user.sign_up_removed"]
    registered = [one for one in await world.audit_log() if one["action"] == "user.registered"]
    assert [one["target_id"] for one in registered] == [event["target_id"]]
    assert [one["ip_address"] for one in registered] == [None]
    log = await world.login_log()
    assert [(one["user_id"], one["ip_address"]) for one in log] == [(None, None)]
    await sign_up(world)
    assert await token_from(mailbox, subject=CONFIRM)


async def test_a_sign_up_that_is_proven_in_the_moment_of_its_removal_stays(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await sign_up(world)
    await mailbox.next(to=ADA)
    clock.advance(days=7, seconds=1801)
    removing = world.service(WaitingSignUps).remove_abandoned

    async with world.db.begin() as tx:
        await tx.execute("SELECT FROM users FOR NO KEY UPDATE")
        going = asyncio.create_task(removing())
        await until_somebody_waits(world.db)
        user_id = await tx.fetchval("SELECT id FROM users")
        links = world.service(OneTimeTokens)
        await links.issue(tx, user_id, Kind.VERIFY_EMAIL, email=Email.parse(ADA))
    await going

    assert await world.db.fetchval("SELECT count(*) FROM users") == 1


async def test_a_guess_counts_against_the_link_and_as_a_failed_sign_in(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    """Threat: somebody with a link would try passwords without the throttle."""
    limited = settings.model_copy(update={"limits": "on", "limit_login_pair": "6/minute"})
    async with World(limited, clock) as world:
        await sign_up(world)
        first = await token_from(mailbox)
        await ask(world, "/verify-email/request")
        second = await token_from(mailbox)

        wrong = [await confirm_email(world, first, f"guess {number}") for number in range(6)]
        assert [answer.json()["code"] for answer in wrong] == [
            *["invalid_credentials"] * 5,
            "invalid_link",
        ]
        assert (await confirm_email(world, second, "guess 6")).status_code == 401
        throttled = await confirm_email(world, second, PASSWORD)
        assert (throttled.status_code, throttled.json()["code"]) == (429, "too_many_attempts")
        assert "retry-after" in throttled.headers
        assert (await world.attempt_login()).status_code == 429

        clock.advance(60)
        assert (await confirm_email(world, second, PASSWORD)).status_code == 200
        logged = [(row["outcome"], row["reason"]) for row in await world.login_log()]
        assert logged.count(("refused", "wrong_password")) == 6
        assert logged[-1] == ("succeeded", "password")


async def test_whose_link_takes_no_more_guesses_says_that_the_password_is_forgotten(
    mailbox: Mailbox, world: World
) -> None:
    await sign_up(world)
    token = await token_from(mailbox)
    for number in range(6):
        await confirm_email(world, token, f"guess {number}")

    chosen = (await confirm_email(world, token)).json()["token"]

    assert (await recover(world, chosen)).status_code == 204
    assert (await world.attempt_login(password=OTHER)).status_code == 200


async def test_however_many_sign_up_a_guess_costs_five_hashes_at_most(
    mailbox: Mailbox, world: World
) -> None:
    for number in range(8):
        await sign_up(world, password=f"a horse of number {number}")
    token = await token_from(mailbox)
    await mailbox.settled(world)

    with recorded_hashes() as hashes:
        assert (await confirm_email(world, token, "a guess")).status_code == 401

    assert len(hashes) <= 5


async def test_it_tells_where_one_stands_with_the_limit(
    settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_register": "1/minute"})
    async with World(limited, clock) as world:
        taken, refused = await sign_up(world), await sign_up(world)

    assert (taken.status_code, taken.headers["ratelimit"]) == (202, '"register";r=0;t=60')
    assert refused.status_code == 429


async def test_an_address_gets_so_many_mails_of_sign_ups_and_its_owner_can_still_recover(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    """Threat: mail bombing, and using up the mails that the owner needs."""
    limited = settings.model_copy(update={"limits": "on"})
    async with World(limited, clock) as world:
        await world.make_user()
        answers = {told(await sign_up(world))[:2] for _ in range(7)}
        await mailbox.settled(world)
        assert answers == {(202, None)}
        assert [mail.subject for mail in mailbox.mails] == [TAKEN] * 5
        mailbox.mails.clear()

        assert await recovery_token(world, mailbox)
        clock.advance(3600)
        await sign_up(world)
        await mailbox.next(to=ADA, subject=TAKEN)


async def test_others_who_fail_keep_out_nobody_who_has_the_link_and_the_password(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    async with World(settings.model_copy(update={"limits": "on"}), clock) as world:
        await sign_up(world)
        token = await token_from(mailbox)
        for host in range(12):
            await world.attempt_login(password="a guess", by=f"198.51.100.{host}")
        assert (await world.attempt_login(password="a guess")).status_code == 429

        assert (await confirm_email(world, token, "a wrong one")).status_code == 401
        assert (await confirm_email(world, token, PASSWORD)).status_code == 200


async def test_a_waiting_sign_up_gives_way_to_an_account_that_an_administrator_moves_there(
    mailbox: Mailbox, world: World
) -> None:
    root = await world.make_admin()
    await sign_up(world, password="the attacker's own")
    of_attacker = await token_from(mailbox, subject=CONFIRM)
    waiting = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)
    user_id = await world.make_user("old@example.com")

    moved = await world.api.patch(
        f"/admin/users/{user_id}", json={"email": ADA}, headers=root.headers
    )

    assert moved.status_code == 200
    assert (await confirm_email(world, of_attacker)).json()["code"] == "invalid_link"
    event = (await world.audit_log())[-1]
    assert event["new_values"]["replaced_sign_up"] == str(waiting)
    assert await world.db.fetchval("SELECT count(*) FROM users") == 2


async def test_an_account_that_somebody_signed_in_to_gives_way_to_nobody(
    world: World, settings: Settings, clock: MovableClock
) -> None:
    """It was made before the switch; an administrator invites it instead."""
    root = await world.make_admin()
    async with World(settings.model_copy(update={"verify_email": "off"}), clock) as off:
        SignedIn.of(await sign_up(off))

    made = await world.api.post("/admin/users", json={"email": ADA}, headers=root.headers)

    assert (made.status_code, made.json()["code"]) == (409, "email_taken")
