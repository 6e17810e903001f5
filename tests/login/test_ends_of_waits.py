"""The ends of pending logins."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import (
    Authenticator,
    ask_for_factor,
    show_factor,
    wrong_code,
)
from tests.fixtures.world import PASSWORD, SignedIn, World
from tests.login.factor_refusals import assert_refused

from keyfob.devices.source import Source
from keyfob.login.models import Proof
from keyfob.login.pending import PendingLogins
from keyfob.login_log.models import Reason


async def test_the_token_works_once(world: World, app: Authenticator, clock: MovableClock) -> None:
    token = await ask_for_factor(world)
    assert (await show_factor(world, token, code=app.code())).status_code == 200
    clock.advance(30)

    await assert_refused(world, token, code=app.code())
    await assert_refused(world, token, recovery_code=app.recovery_codes[0])
    assert await world.db.fetchval("SELECT count(*) FROM recovery_codes") == 10


async def test_the_token_lives_five_minutes(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    token = await ask_for_factor(world)
    clock.advance(300)

    await assert_refused(world, token, code=app.code())
    await world.service(PendingLogins).clean_up()
    assert await world.db.fetchval("SELECT count(*) FROM pending_logins") == 0


async def test_the_token_is_good_for_five_attempts(world: World, app: Authenticator) -> None:
    token = await ask_for_factor(world)
    for _ in range(5):
        await assert_refused(world, token, code=wrong_code(app))

    await assert_refused(world, token, code=app.code())
    again = await ask_for_factor(world)
    assert (await show_factor(world, again, code=app.code())).status_code == 200


async def test_the_token_opens_nothing_else(world: World, app: Authenticator) -> None:
    token = await ask_for_factor(world)

    answers = {
        "access": await world.api.get("/me", headers={"Authorization": f"Bearer {token}"}),
        "factors": await world.api.get("/me/factors", headers={"Authorization": f"Bearer {token}"}),
        "reauthenticate": await world.api.post(
            "/me/reauthenticate",
            json={"code": app.code()},
            headers={"Authorization": f"Bearer {token}"},
        ),
        "refresh": await world.refresh(token),
        "link": await world.api.post(
            "/recover/confirm", json={"token": token, "password": "quite another horse"}
        ),
        "verify": await world.api.post("/verify-email/confirm", json={"token": token}),
    }

    assert {name: answer.status_code for name, answer in answers.items()} == {
        "access": 401,
        "factors": 401,
        "reauthenticate": 401,
        "refresh": 401,
        "link": 400,
        "verify": 400,
    }
    assert (await show_factor(world, token, code=app.code())).status_code == 200


async def test_tokens_of_other_kinds_end_no_wait(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    ada = SignedIn.of(await show_factor(world, await ask_for_factor(world), code=app.code()))
    clock.advance(30)

    for token in (ada.access, ada.refresh, ada.session_id):
        answer = await show_factor(world, token, code=app.code())
        assert answer.status_code in {401, 422}


async def test_a_blocked_account_is_told_so_after_the_factor(
    world: World, app: Authenticator
) -> None:
    await world.db.execute("UPDATE users SET status = 'blocked'")
    token = await ask_for_factor(world)
    await assert_refused(world, token, code=wrong_code(app))

    answer = await show_factor(world, token, code=app.code())

    assert (answer.status_code, answer.json()["code"]) == (403, "account_blocked")
    reasons = [row["reason"] for row in await world.login_log() if row["outcome"] == "refused"]
    assert sorted(reasons) == ["account_blocked", "wrong_factor"]


async def test_a_password_to_be_changed_is_told_after_the_factor(
    world: World, app: Authenticator
) -> None:
    await world.db.execute("UPDATE users SET must_change_password = true")
    token = await ask_for_factor(world)

    answer = await show_factor(world, token, code=app.code())

    assert (answer.status_code, answer.json()["code"]) == (403, "password_change_required")
    assert answer.json()["token"].startswith("kfl_")


async def test_both_steps_are_one_line_of_the_login_log(
    world: World, app: Authenticator, clock: MovableClock
) -> None:
    token = await ask_for_factor(world)
    await show_factor(world, token, code=wrong_code(app))
    clock.advance(1)
    await show_factor(world, token, code=app.code())
    clock.advance(1)
    token = await ask_for_factor(world)
    await show_factor(world, token, recovery_code=app.recovery_codes[0])

    told = [(row["outcome"], row["reason"]) for row in await world.login_log()]
    assert told[1:] == [
        ("refused", "wrong_factor"),
        ("succeeded", "password_and_code"),
        ("succeeded", "password_and_recovery_code"),
    ]


async def test_logging_out_everywhere_ends_waits(world: World, app: Authenticator) -> None:
    ada = SignedIn.of(await show_factor(world, await ask_for_factor(world), code=app.code()))
    token = await ask_for_factor(world)

    await world.api.delete("/logout-all", headers=ada.headers)

    await assert_refused(world, token, recovery_code=app.recovery_codes[0])


async def test_a_new_password_ends_waits(world: World, app: Authenticator) -> None:
    ada = SignedIn.of(await show_factor(world, await ask_for_factor(world), code=app.code()))
    token = await ask_for_factor(world)
    answer = await world.api.post(
        "/me/password",
        json={"current_password": PASSWORD, "password": "quite another horse"},
        headers=ada.headers,
    )
    assert answer.status_code == 200

    await assert_refused(world, token, recovery_code=app.recovery_codes[0])


async def test_a_block_ends_waits_for_good(world: World, app: Authenticator) -> None:
    token = await ask_for_factor(world)
    admin = await world.make_admin()
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email = 'ada@example.com'")
    for status in ("blocked", "active"):
        await world.api.patch(
            f"/admin/users/{user_id}", json={"status": status}, headers=admin.headers
        )

    await assert_refused(world, token, recovery_code=app.recovery_codes[0])


async def test_a_password_changed_while_it_was_checked_begins_no_wait(
    world: World, app: Authenticator
) -> None:
    pending = world.service(PendingLogins)
    user_id = await world.db.fetchval("SELECT id FROM users")
    source = Source("203.0.113.7", "")
    proof = Proof(user_id, ("pwd",), Reason.PASSWORD, source, "the hash of the password before")

    async with world.db.begin() as tx:
        token = await pending.begin(tx, proof)

    assert token is None
