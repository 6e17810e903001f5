"""A right password of an account that changes before the session is opened."""

import asyncio

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.links import (
    ADA,
    OTHER,
    ask,
    confirm_email,
    forget_proof,
    recover,
    token_from,
)
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.passkeys import own_passkey, sign_in
from tests.fixtures.waiting import until_so_many_wait
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.passwords.schemes import Bcrypt
from keyfob.settings import Settings

CONFIRM = "Confirm your e-mail address"


async def keep_an_old_hash(world: World) -> None:
    """Of another cost, so that the next sign-in makes it anew."""
    await world.db.execute("UPDATE users SET password_hash = $1", Bcrypt(5).hash(PASSWORD))


async def test_a_given_password_gives_no_token_once_the_reader_has_proven_the_address(
    world: World, mailbox: Mailbox
) -> None:
    """Threat: a stranger knows it, and would choose the password in the reader's place."""
    root = await world.make_admin()
    body = {"email": ADA, "password": PASSWORD, "must_change_password": True}
    await world.api.post("/admin/users", json=body, headers=root.headers)
    await ask(world, "/verify-email/request")
    link = await token_from(mailbox, subject=CONFIRM)
    async with world.db.begin() as tx:
        await tx.fetch("SELECT FROM users FOR UPDATE")
        proving = asyncio.create_task(confirm_email(world, link))
        await until_so_many_wait(world.db, 1)
        signing_in = asyncio.create_task(world.attempt_login())
        await until_so_many_wait(world.db, 2)

    refused, proven = await signing_in, await proving

    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    assert "wrong_password" in [row["reason"] for row in await world.login_log()]
    assert (await recover(world, proven.json()["token"])).status_code == 204
    await world.log_in(password=OTHER)


async def test_a_first_proof_by_a_link_alone_leaves_nothing_to_change(
    world: World, mailbox: Mailbox
) -> None:
    root = await world.make_admin()
    body = {"email": ADA, "password": PASSWORD, "must_change_password": True}
    await world.api.post("/admin/users", json=body, headers=root.headers)
    await ask(world, "/verify-email/request")

    await confirm_email(world, await token_from(mailbox, subject=CONFIRM))

    left = await world.db.fetchval(
        "SELECT must_change_password FROM users WHERE email_normal = $1", ADA
    )
    assert left is False


async def test_a_proof_by_password_outlives_a_twin_that_makes_the_hash_anew(
    world: World, mailbox: Mailbox
) -> None:
    await world.make_user()
    await world.db.execute("UPDATE users SET email_verified_at = NULL")
    await keep_an_old_hash(world)
    await ask(world, "/verify-email/request")
    link = await token_from(mailbox, subject=CONFIRM)
    async with world.db.begin() as tx:
        await tx.fetch("SELECT FROM users FOR UPDATE")
        proving = asyncio.create_task(confirm_email(world, link, PASSWORD))
        await until_so_many_wait(world.db, 1)
        signing_in = asyncio.create_task(world.attempt_login())
        await until_so_many_wait(world.db, 2)

    answers = await proving, await signing_in

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_proof_by_password_opens_nothing_once_the_password_is_another(
    world: World, mailbox: Mailbox
) -> None:
    await world.make_user()
    await world.db.execute("UPDATE users SET email_verified_at = NULL")
    await ask(world, "/verify-email/request")
    link = await token_from(mailbox, subject=CONFIRM)
    await ask(world, "/recover/request")
    other_link = await token_from(mailbox, subject="Choose a new password")
    async with world.db.begin() as tx:
        await tx.fetch("SELECT FROM users FOR UPDATE")
        proving = asyncio.create_task(confirm_email(world, link, PASSWORD))
        await until_so_many_wait(world.db, 1)
        recovering = asyncio.create_task(recover(world, other_link))
        await until_so_many_wait(world.db, 2)

    proven, recovered = await proving, await recovering

    assert recovered.status_code == 204
    assert proven.status_code in {200, 401}
    assert await world.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 0


async def test_two_first_sign_ins_at_once_with_an_old_hash_are_both_asked_for_the_factor(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    await add_totp(world, await world.log_in(), clock)
    await keep_an_old_hash(world)

    answers = await asyncio.gather(*(world.attempt_login() for _ in range(2)))

    assert {answer.json()["code"] for answer in answers} == {"mfa_required"}


async def test_a_proof_by_password_outlives_a_twin_at_another_worker_that_comes_first(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    """The link is valid and the password right: nothing may count as a failure."""
    limited = settings.model_copy(update={"limits": "on", "limit_login_account": "2/hour"})
    async with World(limited, clock) as world, World(limited, clock) as other:
        await world.make_user()
        await forget_proof(world)
        await keep_an_old_hash(world)
        await ask(world, "/verify-email/request")
        link = await token_from(mailbox, subject=CONFIRM)
        async with world.db.begin() as tx:
            await tx.fetch("SELECT FROM users FOR UPDATE")
            signing_in = asyncio.create_task(other.attempt_login())
            await until_so_many_wait(world.db, 1)
            proving = asyncio.create_task(confirm_email(world, link, PASSWORD))
            await until_so_many_wait(world.db, 2)

        answers = await proving, await signing_in

        assert [answer.status_code for answer in answers] == [200, 200]
        assert [row["outcome"] for row in await world.login_log()] == ["succeeded"] * 2
        guesses = [
            await world.attempt_login(password="a guess", by=f"198.51.100.{host}")
            for host in range(3)
        ]
        assert [answer.status_code for answer in guesses] == [401, 401, 429]


async def test_four_factors_shown_at_once_for_a_password_that_is_to_be_changed(
    world: World, clock: MovableClock
) -> None:
    """Each holds the account from the start: two that shared it first would wait for each other."""
    await world.make_user()
    ada = await world.log_in()
    await add_totp(world, ada, clock)
    ada = SignedIn.of(await world.refresh(ada.refresh))
    made = await world.api.post("/me/factors/recovery-codes", headers=ada.headers)
    tokens = [await ask_for_factor(world) for _ in range(4)]
    await world.db.execute("UPDATE users SET must_change_password = true")
    async with world.db.begin() as tx:
        await tx.fetch("SELECT FROM users FOR UPDATE")
        shown = [
            asyncio.create_task(show_factor(world, token, recovery_code=code))
            for token, code in zip(tokens, made.json()["recovery_codes"], strict=False)
        ]
        await until_so_many_wait(world.db, 4)

    answers = await asyncio.gather(*shown)

    assert [answer.json()["code"] for answer in answers] == ["password_change_required"] * 4


async def test_two_passkeys_shown_while_it_is_said_that_the_password_is_to_be_changed(
    world: World,
) -> None:
    await world.make_user()
    passkey = await own_passkey(world, await world.log_in(), sign_count=None)
    async with world.db.begin() as tx:
        await tx.execute("UPDATE users SET must_change_password = true")
        shown = [asyncio.create_task(sign_in(world, passkey)) for _ in range(2)]
        await until_so_many_wait(world.db, 2)

    answers = await asyncio.gather(*shown)

    assert [answer.json()["code"] for answer in answers] == ["password_change_required"] * 2
