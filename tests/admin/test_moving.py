"""An account that an administrator gives another address, which may be another person's."""

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.links import (
    ADA,
    OTHER,
    ask,
    confirm_email,
    recover,
    recovery_token,
    sign_up,
    token_from,
)
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.passkeys import own_passkey, sign_in
from tests.fixtures.world import PASSWORD, SignedIn, World

BOB = "bob@example.com"
CONFIRM = "Confirm your e-mail address"


async def move(world: World, email: str = ADA, to: str = BOB) -> None:
    root = await world.log_in("root@example.com")
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", email)
    answer = await world.api.patch(
        f"/admin/users/{user_id}", json={"email": to}, headers=root.headers
    )
    assert answer.status_code == 200


@pytest.fixture(autouse=True)
async def root(world: World) -> SignedIn:
    return await world.make_admin()


async def test_whoever_is_signed_in_or_half_so_is_so_no_more(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ada = await world.log_in()
    app = await add_totp(world, ada, clock)
    ada = SignedIn.of(await world.refresh(ada.refresh))
    clock.advance(60)
    waiting = await ask_for_factor(world)

    await move(world)

    assert (await world.me(ada)).status_code == 401
    assert (await world.refresh(ada.refresh)).status_code == 401
    assert (await show_factor(world, waiting, code=app.code())).status_code == 401


async def test_another_spelling_of_the_address_ends_nothing(world: World) -> None:
    await world.make_user()
    ada = await world.log_in()

    await move(world, to="Ada@Example.com")

    assert (await world.me(ada)).status_code == 200


async def test_the_new_reader_verifies_nobody_who_signed_in_with_the_old_password(
    world: World, mailbox: Mailbox
) -> None:
    """Threat: one click would give earlier sessions and passwords a verified address."""
    await world.make_user()
    await move(world)
    ada = await world.log_in(BOB)
    await ask(world, "/verify-email/request", BOB)

    taken = await confirm_email(world, await token_from(mailbox, BOB, CONFIRM))

    assert taken.status_code == 200
    assert (await world.me(ada)).status_code == 401
    assert (await world.attempt_login(BOB)).status_code == 401
    event = (await world.audit_log())[-1]
    assert event["new_values"] == {"by": "link", "first": False}
    assert event["old_values"] == {"ended": {"sessions": 1, "password": 1}}
    assert (await recover(world, taken.json()["token"])).status_code == 204
    await world.log_in(BOB, OTHER)


async def test_who_knows_the_password_proves_the_new_address_and_stays(
    world: World, mailbox: Mailbox
) -> None:
    """As a rule it is the same person, whose address changed."""
    await world.make_user(name="Ada")
    await move(world)
    ada = await world.log_in(BOB)
    await ask(world, "/verify-email/request", BOB)

    proven = await confirm_email(world, await token_from(mailbox, BOB, CONFIRM), PASSWORD)

    assert proven.status_code == 200
    me = (await world.me(ada)).json()
    assert (me["name"], me["email_verified"]) == ("Ada", True)


async def test_factors_of_the_owner_stay_until_an_administrator_resets_them(
    world: World, mailbox: Mailbox, root: SignedIn
) -> None:
    """A later address is only marked as verified: its reader must not remove factors."""
    user_id = await world.make_user()
    passkey = await own_passkey(world, await world.log_in())
    await move(world)

    assert (await recover(world, await recovery_token(world, mailbox, BOB))).status_code == 204

    assert (await world.attempt_login(BOB, OTHER)).json()["code"] == "mfa_required"
    await world.api.post(f"/admin/users/{user_id}/factors/reset", headers=root.headers)
    assert (await sign_in(world, passkey)).status_code == 401
    await world.log_in(BOB, OTHER)


async def test_where_no_address_was_proven_the_proof_of_the_new_one_is_the_first(
    world: World, mailbox: Mailbox
) -> None:
    eve = SignedIn.of(await sign_up(world, name="Eve was here"))
    await world.api.delete("/me", headers=eve.headers)
    await move(world)

    assert (await recover(world, await recovery_token(world, mailbox, BOB))).status_code == 204

    me = (await world.me(await world.log_in(BOB, OTHER))).json()
    assert (me["name"], me["erase_at"], me["email_verified"]) == (None, None, True)
