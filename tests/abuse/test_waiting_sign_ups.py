"""Lines 40 and 41 of the abuse list: waiting sign-ups, and their end."""

import pytest
from tests.abuse.proofs import EVES, register_as_eve
from tests.fixtures.clock import MovableClock
from tests.fixtures.links import (
    ADA,
    ask,
    confirm_email,
    recover,
    sign_up,
    token_from,
)
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.settings import Settings

CONFIRM = "Confirm your e-mail address"
CHOOSE = "Choose a new password"


@pytest.fixture
async def required(settings: Settings, clock: MovableClock, mailbox: Mailbox) -> World:  # type: ignore[misc] # a generator
    """The service, where addresses must be verified first."""
    del mailbox  # asked for because the settings point at it
    changed = settings.model_copy(update={"verify_email": "required"})
    async with World(changed, clock) as world:
        yield world


async def test_40_the_owner_s_link_lives_whoever_signs_up_after(
    required: World, mailbox: Mailbox
) -> None:
    await sign_up(required, password=PASSWORD)
    of_owner = await token_from(mailbox, subject=CONFIRM)
    await sign_up(required, password=EVES)
    await mailbox.next(subject=CONFIRM)

    by_password = await confirm_email(required, of_owner, PASSWORD)

    assert by_password.status_code == 200


async def test_40_the_owner_s_link_alone_lives_whoever_signs_up_after(
    required: World, mailbox: Mailbox
) -> None:
    await sign_up(required, password=PASSWORD)
    of_owner = await token_from(mailbox, subject=CONFIRM)
    await sign_up(required, password=EVES)
    await mailbox.next(subject=CONFIRM)

    alone = await confirm_email(required, of_owner)

    assert alone.status_code == 200
    assert (await recover(required, alone.json()["token"])).status_code == 204


async def test_40_no_link_that_the_owner_asks_for_activates_a_stranger_s_password(
    required: World, mailbox: Mailbox
) -> None:
    await sign_up(required, password=PASSWORD)
    await sign_up(required, password=EVES)
    await mailbox.settled(required)
    mailbox.mails.clear()
    await ask(required, "/verify-email/request")

    await confirm_email(required, await token_from(mailbox, subject=CONFIRM))

    assert (await required.attempt_login(password=EVES)).status_code == 401


@pytest.mark.parametrize("first", [True, False])
async def test_40_the_password_that_the_reader_types_is_the_one_that_counts(
    required: World, mailbox: Mailbox, first: bool
) -> None:
    """For any order of sign-ups, and any of the mails."""
    sign_ups = [(PASSWORD, "Ada"), (EVES, "Eve")]
    for password, name in sign_ups if first else reversed(sign_ups):
        await sign_up(required, password=password, name=name)
    await mailbox.settled(required)
    for mail in list(mailbox.mails)[::-1]:
        (token,) = mail.tokens()
        assert (await confirm_email(required, token, "neither of them")).status_code == 401

    ada = SignedIn.of(await confirm_email(required, token, PASSWORD))

    assert (await required.me(ada)).json()["name"] == "Ada"
    assert (await required.attempt_login(password=EVES)).status_code == 401


async def test_40_a_name_that_stands_in_the_account_is_not_the_owner_s(
    required: World, mailbox: Mailbox
) -> None:
    """As the previous release stored the name of the first sign-up."""
    await sign_up(required, password=EVES)
    await mailbox.next(subject=CONFIRM)
    await required.db.execute("UPDATE users SET name = 'Eve was here'")
    await sign_up(required, password=PASSWORD)

    token = await token_from(mailbox, subject=CONFIRM)
    ada = SignedIn.of(await confirm_email(required, token, PASSWORD))

    assert (await required.me(ada)).json()["name"] is None


async def test_40_later_sign_ups_push_no_owner_s_password_out(
    required: World, mailbox: Mailbox, clock: MovableClock
) -> None:
    await sign_up(required, password=PASSWORD)
    of_owner = await token_from(mailbox, subject=CONFIRM)
    clock.advance(60)
    for number in range(5):
        await sign_up(required, password=f"{EVES} {number}")
    await mailbox.settled(required)

    assert (await confirm_email(required, of_owner, PASSWORD)).status_code == 200


async def test_40_nor_by_a_link_that_is_asked_for_after_the_owner_s_has_died(
    required: World, mailbox: Mailbox, clock: MovableClock
) -> None:
    await sign_up(required, password=PASSWORD, name="Ada")
    await mailbox.next(to=ADA, subject=CONFIRM)
    for number in range(12):
        clock.advance(hours=1)
        await sign_up(required, password=f"{EVES} {number}", name="Eve")
        await mailbox.next(to=ADA, subject=CONFIRM)
    await ask(required, "/verify-email/request")

    answer = await confirm_email(required, await token_from(mailbox, subject=CONFIRM), PASSWORD)

    assert answer.status_code == 200
    assert (await required.me(SignedIn.of(answer))).json()["name"] == "Ada"


async def test_40_one_click_verifies_no_stranger_s_session(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    async with World(settings.model_copy(update={"verify_email": "optional"}), clock) as world:
        eve = await register_as_eve(world)

        await confirm_email(world, await token_from(mailbox, subject=CONFIRM))

        assert (await world.me(eve)).status_code == 401


async def test_40_an_account_from_before_the_switch_is_its_owner_s(
    world: World, settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    eve = await register_as_eve(world)
    switched = settings.model_copy(update={"verify_email": "required"})
    async with World(switched, clock) as required:
        await ask(required, "/verify-email/request")

        await confirm_email(required, await token_from(mailbox, subject=CONFIRM))

        assert (await required.me(eve)).status_code == 401
        assert (await required.attempt_login(password=EVES)).status_code == 401


async def test_41_an_unproven_account_that_registered_itself_gets_no_role(world: World) -> None:
    root = await world.make_admin()
    await register_as_eve(world)
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)

    for role in ("moderator", "admin"):
        for method in ("PUT", "PATCH"):
            answer = await world.api.request(
                method, f"/admin/users/{user_id}", json={"role": role}, headers=root.headers
            )
            assert (answer.status_code, answer.json().get("code")) == (409, "email_unverified")

    assert await world.db.fetchval("SELECT role FROM users WHERE id = $1", user_id) == "user"


async def test_41_an_unproven_account_adds_no_factor(world: World, clock: MovableClock) -> None:
    eve = await register_as_eve(world)

    answers = [
        await world.api.post("/me/factors/totp", json={"name": "x"}, headers=eve.headers),
        await world.api.post("/me/factors/passkeys/options", headers=eve.headers),
    ]

    assert [(one.status_code, one.json().get("code")) for one in answers] == [
        (403, "email_unverified")
    ] * 2


async def test_41_a_waiting_sign_up_gives_way_to_an_owner_who_moves_there(
    required: World, mailbox: Mailbox
) -> None:
    await sign_up(required, "new@example.com", EVES, name="Eve")
    await mailbox.next(to="new@example.com")
    await required.make_user()
    ada = await required.log_in()

    await required.api.post("/me/email", json={"email": "new@example.com"}, headers=ada.headers)
    mail = await mailbox.next(to="new@example.com")
    assert mail.subject == "Confirm your new e-mail address"
    (token,) = mail.tokens()
    moved = await required.api.post("/me/email/confirm", json={"token": token}, headers=ada.headers)

    assert moved.status_code == 204
    assert await required.db.fetchval("SELECT count(*) FROM users") == 1


async def test_41_a_waiting_sign_up_gives_way_to_an_administrator(
    required: World, mailbox: Mailbox
) -> None:
    root = await required.make_admin()
    await sign_up(required, password=EVES, name="Eve")
    of_eve = await token_from(mailbox, subject=CONFIRM)

    made = await required.api.post(
        "/admin/users", json={"email": ADA, "role": "moderator"}, headers=root.headers
    )

    assert made.status_code == 201
    assert (await confirm_email(required, of_eve)).status_code == 400
    assert made.json()["name"] is None


async def test_41_a_waiting_sign_up_is_removed_seven_days_after_its_last_link_died(
    required: World, mailbox: Mailbox, clock: MovableClock
) -> None:
    await sign_up(required, password=EVES)
    await mailbox.settled(required)
    clock.advance(days=6)
    await ask(required, "/verify-email/request")
    await mailbox.settled(required)

    async def still_there() -> bool:
        for chore in required.wiring.worker.chores:
            if chore.name in {"old links", "old sign-ups"}:
                await chore.run()
        return bool(await required.db.fetchval("SELECT count(*) FROM users"))

    clock.advance(days=7)
    assert await still_there()
    clock.advance(1801)
    assert not await still_there()


async def test_41_an_account_that_an_operator_wrote_by_sql_is_no_sign_up(
    required: World, clock: MovableClock
) -> None:
    """Imported without a hash: its user is to choose a password by a link."""
    await required.db.execute(
        "INSERT INTO users (id, email, email_normal, name, created_at, updated_at)"
        " VALUES (gen_random_uuid(), $1, $1, 'Ada', $2, $2)",
        ADA,
        clock.now(),
    )
    clock.advance(days=9)

    for chore in required.wiring.worker.chores:
        if chore.name in {"old links", "old sign-ups"}:
            await chore.run()

    assert await required.db.fetchval("SELECT count(*) FROM users") == 1
