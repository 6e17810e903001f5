"""A forgotten password: a link to the address, and a new password by it."""

from datetime import timedelta
from typing import Any

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.hashes import recorded_hashes
from tests.fixtures.links import (
    ADA,
    OTHER,
    ask,
    recover,
    recovery_token,
    sign_up,
    told,
)
from tests.fixtures.mailbox import Mailbox, Received
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import CLIENT, SignedIn, World

from keyfob.accounts.models import Status
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.settings import Settings

REQUEST = "/recover/request"
RECOVER = "Choose a new password"
RECOVERED = "Your password was set anew"


async def test_the_whole_way(mailbox: Mailbox, world: World) -> None:
    user_id = await world.make_user("Ada@Example.com", name="Ada")
    await world.db.execute("UPDATE users SET email_verified_at = NULL")
    sessions = [await world.log_in(), await world.log_in()]

    asked = await ask(world, REQUEST)

    assert (asked.status_code, asked.content) == (202, b"")
    mail = await mailbox.next(to="Ada@example.com", subject=RECOVER)
    (token,) = mail.tokens()
    assert mail.links()[0] == f"http://localhost:8000/auth/ui/recover#token={token}"
    assert (await world.me(sessions[0])).status_code == 200

    done = await recover(world, token)

    assert (done.status_code, done.content) == (204, b"")
    for session in sessions:
        assert (await world.me(session)).status_code == 401
        assert (await world.refresh(session.refresh)).json()["code"] == "invalid_refresh_token"
    assert (await world.attempt_login()).status_code == 401
    me = (await world.me(await world.log_in(password=OTHER))).json()
    assert (me["id"], me["email_verified"]) == (str(user_id), True)
    told_so = await mailbox.next(to="Ada@example.com", subject=RECOVERED)
    assert (told_so.tokens(), CLIENT in told_so.text) == ([], True)
    await mailbox.assert_none(world)
    assert (await recover(world, token)).json()["code"] == "invalid_link"


async def test_it_stands_in_both_logs_and_in_the_sessions(mailbox: Mailbox, world: World) -> None:
    user_id = await world.make_user()
    await world.log_in()

    await recover(world, await recovery_token(world, mailbox))

    event = (await world.audit_log())[-1]
    assert (event["action"], event["actor_id"], event["target_id"], event["new_values"]) == (
        "user.password_recovered",
        user_id,
        user_id,
        {"sessions_ended": 1},
    )
    (logged,) = [row for row in await world.login_log() if row["reason"] == "recovered"]
    assert (logged["outcome"], logged["user_id"], logged["session_id"]) == (
        "succeeded",
        user_id,
        None,
    )
    reasons = await world.db.fetch("SELECT end_reason FROM sessions WHERE ended_at IS NOT NULL")
    assert [row["end_reason"] for row in reasons] == ["password_recovered"]


async def test_every_other_link_is_dead_then_of_every_kind_and_those_of_others_live(
    mailbox: Mailbox, world: World
) -> None:
    ada, bob = await world.make_user(), await world.make_user("bob@example.com")
    links = world.service(OneTimeTokens)
    async with world.db.begin() as tx:
        issued = [
            (user_id, kind, await links.issue(tx, user_id, kind))
            for user_id in (ada, bob)
            for kind in Kind
        ]
    older = await recovery_token(world, mailbox)
    newer = await recovery_token(world, mailbox)

    assert (await recover(world, older)).status_code == 204
    assert (await recover(world, newer)).json()["code"] == "invalid_link"

    for user_id, kind, token in issued:
        assert bool(await links.find(world.db, kind, token)) == (user_id == bob)


async def test_who_gets_a_link_is_told_by_no_answer(mailbox: Mailbox, world: World) -> None:
    await world.make_user()
    await world.make_user("blocked@example.com", status=Status.BLOCKED)

    seen = []
    for email in (ADA, "ADA@Example.com", "blocked@example.com", "nobody@example.com"):
        with recorded_statements() as statements:
            answer = await ask(world, REQUEST, email)
        seen.append((told(answer), list(statements)))
    await mailbox.settled(world)

    assert seen[0][0][:2] == (202, None)
    assert len(seen[0][1]) == 1
    assert seen == [seen[0]] * 4
    assert [mail.to for mail in mailbox.mails] == [ADA, ADA]


async def test_a_weak_password_spends_no_link(mailbox: Mailbox, world: World) -> None:
    await world.make_user(name="Countess Lovelace")
    token = await recovery_token(world, mailbox)

    for password, reason in [
        ("short", "too_short"),
        ("password1", "common"),
        ("ada@example.com", "like_email"),
        ("countess lovelace", "like_email"),
    ]:
        refused = await recover(world, token, password)
        assert (refused.status_code, refused.json()["code"]) == (422, "weak_password")
        assert refused.json()["reason"] == reason

    assert (await recover(world, token)).status_code == 204


async def test_a_link_that_is_bad_costs_no_hash(world: World) -> None:
    with recorded_hashes() as hashes:
        assert (await recover(world, "kfl_" + "A" * 43)).json()["code"] == "invalid_link"

    assert hashes == []


async def test_a_link_of_who_is_blocked_sets_no_password(mailbox: Mailbox, world: World) -> None:
    await world.make_user()
    token = await recovery_token(world, mailbox)
    await world.db.execute("UPDATE users SET status = 'blocked'")

    assert (await recover(world, token)).json()["code"] == "invalid_link"

    refused = await world.attempt_login()
    assert (refused.status_code, refused.json()["code"]) == (403, "account_blocked")


async def test_a_planned_erasure_is_taken_back_and_the_mail_says_so(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    """Of a proven account: somebody else was signed in, and asked for its erasure."""
    await world.make_user()
    thief = await world.log_in()
    await world.api.delete("/me", headers=thief.headers)

    await recover(world, await recovery_token(world, mailbox))

    mail = await mailbox.next(to=ADA, subject=RECOVERED)
    assert "will not be erased" in mail.text
    assert await world.db.fetchval("SELECT erase_at FROM users") is None
    event = (await world.audit_log())[-1]
    assert event["new_values"] == {"sessions_ended": 1, "kept": True}


async def test_the_first_recovery_of_all_says_what_ended(mailbox: Mailbox, world: World) -> None:
    SignedIn.of(await sign_up(world, name="Eve"))
    await recover(world, await recovery_token(world, mailbox))

    mail = await mailbox.next(to=ADA, subject=RECOVERED)
    assert "proven for the first time" in mail.text
    assert "second factors stay" not in mail.text
    event = (await world.audit_log())[-1]
    assert (event["action"], event["old_values"], event["new_values"]) == (
        "user.password_recovered",
        {"ended": {"sessions": 1, "password": 1, "name": 1}},
        {"sessions_ended": 1, "first_proof": True},
    )


async def test_a_stranger_s_name_refuses_no_password(mailbox: Mailbox, world: World) -> None:
    await sign_up(world, password="the stranger's own", name="correct horse battery")

    token = await recovery_token(world, mailbox)

    assert (await recover(world, token, "correct horse battery")).status_code == 204


async def test_beyond_the_cap_one_link_more_lives_six_hours(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_recover": "100/minute"})
    async with World(limited, clock) as world:
        await world.make_user()

        async def ask_often() -> list[Received]:
            mailbox.mails.clear()
            for _ in range(8):
                await ask(world, REQUEST)
            await mailbox.settled(world)
            return list(mailbox.mails)

        mails = await ask_often()
        until = f"until {clock.now() + timedelta(hours=6):%Y-%m-%d %H:%M} UTC"
        (spare,) = [mail for mail in mails if until in mail.text]  # whichever came last
        assert len(mails) == 6
        assert await ask_often() == []
        clock.advance(hours=3)
        assert len(await ask_often()) == 5  # the cap has room again, and the spare one lives
        clock.advance(hours=3, seconds=-1)
        assert (await recover(world, *spare.tokens())).status_code == 204


async def test_second_factors_stay_and_a_sign_in_between_two_factors_ends(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    clock.advance(60)
    of_thief = await ask_for_factor(world)

    assert (await recover(world, await recovery_token(world, mailbox))).status_code == 204

    assert (await show_factor(world, of_thief, code=app.code())).status_code == 401
    clock.advance(60)
    mfa_token = await ask_for_factor(world, password=OTHER)
    assert (await show_factor(world, mfa_token, code=app.code())).status_code == 200


async def test_an_account_without_a_password_gets_one(mailbox: Mailbox, world: World) -> None:
    await world.make_user()
    await world.db.execute("UPDATE users SET password_hash = NULL")

    await recover(world, await recovery_token(world, mailbox))

    assert (await world.attempt_login(password=OTHER)).status_code == 200


async def test_an_expired_link_is_dead(mailbox: Mailbox, world: World, clock: MovableClock) -> None:
    await world.make_user()
    token = await recovery_token(world, mailbox)

    clock.advance(1800)

    assert (await recover(world, token)).json()["code"] == "invalid_link"
    assert (await world.attempt_login()).status_code == 200


async def test_a_link_outlives_no_account(mailbox: Mailbox, world: World) -> None:
    user_id = await world.make_user()
    admin = await world.make_admin()
    token = await recovery_token(world, mailbox)
    await world.api.delete(f"/admin/users/{user_id}", headers=admin.headers)

    assert (await recover(world, token)).json()["code"] == "invalid_link"


async def test_the_mail_is_in_the_user_s_language(mailbox: Mailbox, world: World) -> None:
    await world.make_user()
    await world.db.execute("UPDATE users SET locale = 'ru'")

    await ask(world, REQUEST, ADA, **{"Accept-Language": "en"})

    assert (await mailbox.next(to=ADA)).subject != RECOVER


async def test_an_address_gets_so_many_links_an_hour(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_recover": "100/minute"})
    async with World(limited, clock) as world:
        await world.make_user()
        answers: list[Any] = [told(await ask(world, REQUEST))[:2] for _ in range(8)]
        await mailbox.settled(world)

        assert answers == [(202, None)] * 8
        assert len(mailbox.mails) == 6  # with the one beyond the cap
        good = [await recover(world, *mail.tokens()) for mail in list(mailbox.mails)]
        assert sorted(answer.status_code for answer in good) == [204, *[400] * 5]


async def test_it_is_limited_by_client(settings: Settings, clock: MovableClock) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_recover": "2/minute"})
    async with World(limited, clock) as world:
        answers = [await ask(world, REQUEST), await recover(world, "x"), await ask(world, REQUEST)]

    assert [answer.status_code for answer in answers] == [202, 400, 429]
