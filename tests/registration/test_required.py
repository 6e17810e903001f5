"""KEYFOB_VERIFY_EMAIL=required: nobody signs in with an address that is not proven."""

import asyncio
from typing import Any

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, show_factor
from tests.fixtures.hashes import recorded_hashes
from tests.fixtures.links import (
    ADA,
    OTHER,
    ask,
    confirm_email,
    forget_proof,
    recover,
    recovery_token,
    sign_up,
    token_from,
    told,
)
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.statements import recorded_statements
from tests.fixtures.waiting import until_somebody_waits
from tests.fixtures.world import CLIENT, PASSWORD, SignedIn, World

from keyfob.core.authority import Role
from keyfob.core.origin import Origin
from keyfob.links.models import Kind
from keyfob.links.service import OneTimeTokens
from keyfob.proof.sign_ups import WaitingSignUps
from keyfob.sessions.service import Sessions
from keyfob.settings import Settings
from keyfob.users.email import Email

CONFIRM = "Confirm your e-mail address"
TAKEN = "You have an account already"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"verify_email": "required"})


async def test_a_newcomer_signs_in_once_the_address_is_proven(
    mailbox: Mailbox, world: World
) -> None:
    taken = await sign_up(world, "Ada@Example.com", name="Ada Lovelace")

    assert (taken.status_code, taken.content) == (202, b"")
    assert "content-type" not in taken.headers
    mail = await mailbox.next(to="Ada@example.com", subject=CONFIRM)
    (token,) = mail.tokens()
    assert mail.links()[0] == f"http://localhost:8000/auth/ui/verify#token={token}"
    assert (await world.attempt_login()).status_code == 401

    proven = await confirm_email(world, token, PASSWORD)

    assert proven.status_code == 200
    assert set(proven.json()) == {
        *("access_token", "refresh_token", "token_type", "expires_in", "session_id")
    }
    assert proven.headers["cache-control"] == "no-store"
    me = (await world.me(SignedIn.of(proven))).json()
    assert (await world.attempt_login()).status_code == 200
    assert (me["email"], me["email_verified"], me["name"]) == (
        "Ada@Example.com",
        True,
        "Ada Lovelace",
    )
    events = {event["action"]: event for event in await world.audit_log()}
    assert set(events) == {"user.registered", "user.email_verified"}
    for event in events.values():
        assert str(event["actor_id"]) == str(event["target_id"]) == me["id"]
        assert str(event["ip_address"]) == CLIENT


@pytest.mark.parametrize(
    ("header", "locale", "subject"),
    [("ru-RU,ru;q=0.9,en;q=0.8", "ru", None), ("de", "en", CONFIRM), (None, "en", CONFIRM)],
)
async def test_the_newcomer_s_language_is_that_of_the_browser(
    mailbox: Mailbox, world: World, header: str | None, locale: str, subject: str | None
) -> None:
    await sign_up(world, headers={"Accept-Language": header} if header else {})

    mail = await mailbox.next(to=ADA)
    assert (mail.subject == CONFIRM) == (locale == "en")
    ada = SignedIn.of(await confirm_email(world, *mail.tokens(), PASSWORD))
    assert (await world.me(ada)).json()["locale"] == locale


async def test_a_known_address_is_told_by_mail_and_nothing_changes(
    mailbox: Mailbox, world: World
) -> None:
    await world.make_user(name="Ada")

    answer = await sign_up(world, "ADA@example.com", OTHER, name="Eve")

    assert (answer.status_code, answer.content) == (202, b"")
    mail = await mailbox.next(to=ADA, subject=TAKEN)
    assert mail.tokens() == []
    assert "Eve" not in mail.text
    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == 0
    assert (await world.attempt_login(password=OTHER)).status_code == 401
    assert (await world.me(await world.log_in())).json()["name"] == "Ada"


async def test_known_unproven_and_unknown_are_answered_alike_after_equal_work(
    mailbox: Mailbox, world: World
) -> None:
    await world.make_user()
    await sign_up(world, "waiting@example.com")
    await mailbox.settled(world)

    async def done(email: str) -> tuple[Any, list[str], list[int]]:
        with recorded_statements() as statements, recorded_hashes() as hashes:
            answer = await sign_up(world, email, OTHER)
        return told(answer), list(statements), list(hashes)

    unknown = await done("nobody@example.com")
    assert (unknown[0][0], len(unknown[1]), len(unknown[2])) == (202, 1, 1)
    assert await done(ADA) == unknown
    assert await done("waiting@example.com") == unknown


async def test_before_the_proof_a_sign_in_is_as_for_an_unknown_address(
    mailbox: Mailbox, world: World, settings: Settings
) -> None:
    await sign_up(world, "waiting@example.com")
    await world.make_user()
    await forget_proof(world)
    await mailbox.settled(world)

    async def done(email: str) -> tuple[Any, list[str], list[int]]:
        with recorded_statements() as statements, recorded_hashes() as hashes:
            answer = await world.attempt_login(email)
        return told(answer), list(statements), list(hashes)

    await done("first@example.com")  # prepares the statements of the connection
    unknown = await done("nobody@example.com")

    assert unknown[0][0] == 401
    assert unknown[2] == [settings.bcrypt_cost]
    assert await done("waiting@example.com") == unknown
    assert await done(ADA) == unknown
    reasons = sorted(row["reason"] for row in await world.login_log())
    assert reasons == ["email_not_verified"] * 2 + ["unknown_email"] * 2


async def test_no_session_is_opened_whatever_way_somebody_signs_in(world: World) -> None:
    """A passkey, a second factor: all of them end in `Sessions.open`."""
    user_id = await world.make_user()
    await forget_proof(world)

    async def opens() -> bool:
        async with world.db.begin() as tx:
            return bool(
                await world.service(Sessions).open(tx, user_id, Origin(CLIENT, ""), ["pop", "user"])
            )

    assert not await opens()
    await world.db.execute("UPDATE users SET email_verified_at = now()")
    assert await opens()


async def test_recovery_proves_the_address_too(mailbox: Mailbox, world: World) -> None:
    await sign_up(world)
    pending = await token_from(mailbox, subject=CONFIRM)

    await recover(world, await recovery_token(world, mailbox))

    assert (await world.me(await world.log_in(password=OTHER))).json()["email_verified"] is True
    assert (await confirm_email(world, pending)).json()["code"] == "invalid_link"
    assert (await world.attempt_login(password=PASSWORD)).status_code == 401


async def test_whoever_signs_up_first_with_another_s_address_gains_nothing(
    mailbox: Mailbox, world: World
) -> None:
    await sign_up(world, password="the attacker's own", name="Eve")
    of_attacker = await token_from(mailbox, subject=CONFIRM)
    await sign_up(world, "ADA@Example.com", name="Ada", headers={"Accept-Language": "ru"})
    of_owner = await token_from(mailbox, "ADA@example.com")

    ada = SignedIn.of(await confirm_email(world, of_attacker, PASSWORD))  # whichever is opened

    assert (await confirm_email(world, of_owner, PASSWORD)).json()["code"] == "invalid_link"
    assert (await world.attempt_login(password="the attacker's own")).status_code == 401
    me = (await world.me(ada)).json()
    assert (me["email"], me["name"], me["locale"]) == ("ADA@Example.com", "Ada", "ru")
    assert await world.db.fetchval("SELECT count(*) FROM users") == 1


async def test_no_password_and_no_name_is_kept_with_the_account_before_its_proof(
    mailbox: Mailbox, world: World
) -> None:
    await sign_up(world, name="Ada")
    await mailbox.settled(world)

    assert await world.db.fetchval("SELECT password_hash FROM users") is None
    assert await world.db.fetchval("SELECT name FROM users") is None
    assert await world.db.fetchval("SELECT password_hash FROM one_time_tokens") is not None
    await confirm_email(world, await token_from(mailbox), PASSWORD)
    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == 0


async def test_the_mail_carries_no_words_of_whoever_signed_up(
    mailbox: Mailbox, world: World
) -> None:
    await sign_up(world, name="Cheap pills at example.net", headers={"User-Agent": "Pills/9"})

    assert b"ills" not in (await mailbox.next(to=ADA)).content


@pytest.mark.parametrize("made", ["invited", "with a role", "with a password", "blocked"])
async def test_a_stranger_s_sign_up_gets_near_no_account_but_an_older_sign_up(
    mailbox: Mailbox, world: World, made: str
) -> None:
    """Threat: a click of the owner would give a role to the password of a stranger."""
    if made == "invited":
        admin = await world.make_admin()
        body = {"email": ADA, "role": "admin"}
        await world.api.post("/admin/users", json=body, headers=admin.headers)
    else:
        await sign_up(world)
        await mailbox.settled(world)
        await world.db.execute(
            {
                "with a role": "UPDATE users SET role = 'admin'",
                "with a password": "UPDATE users SET password_hash = 'theirs'",
                "blocked": "UPDATE users SET status = 'blocked'",
            }[made]
        )
    await mailbox.settled(world)
    mailbox.mails.clear()
    before = await world.db.fetch("SELECT * FROM one_time_tokens ORDER BY 1")
    account = await world.db.fetchrow("SELECT * FROM users WHERE email_normal = $1", ADA)

    await sign_up(world, password="the attacker's own", name="Eve")

    assert (await mailbox.next(to=ADA, subject=TAKEN)).tokens() == []
    await mailbox.assert_none(world)
    assert await world.db.fetch("SELECT * FROM one_time_tokens ORDER BY 1") == before
    assert await world.db.fetchrow("SELECT * FROM users WHERE email_normal = $1", ADA) == account


async def test_a_waiting_sign_up_gets_no_role(mailbox: Mailbox, world: World) -> None:
    await sign_up(world, password="the attacker's own")
    await mailbox.settled(world)
    admin = await world.make_admin()
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email_normal = $1", ADA)

    refused = await world.api.patch(
        f"/admin/users/{user_id}", json={"role": "moderator"}, headers=admin.headers
    )

    assert (refused.status_code, refused.json()["code"]) == (409, "email_unverified")


async def test_a_weak_password_is_refused_at_once_and_leaves_nothing(world: World) -> None:
    refused = await sign_up(world, password="password1")

    assert (refused.status_code, refused.json()["code"]) == (422, "weak_password")
    assert await world.db.fetchval("SELECT count(*) FROM outbox") == 0


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


async def test_an_expired_link_can_be_sent_again_with_the_password_of_the_sign_up(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await sign_up(world)
    late = await token_from(mailbox, subject=CONFIRM)
    clock.advance(1800)
    assert (await confirm_email(world, late, PASSWORD)).json()["code"] == "invalid_link"

    await ask(world, "/verify-email/request")

    assert (await confirm_email(world, await token_from(mailbox), PASSWORD)).status_code == 200
    assert (await world.attempt_login()).status_code == 200


async def test_who_forgot_the_password_of_the_sign_up_chooses_another(
    mailbox: Mailbox, world: World
) -> None:
    await sign_up(world, name="Ada")

    proven = await confirm_email(world, await token_from(mailbox))

    assert (proven.status_code, set(proven.json())) == (200, {"token"})
    assert proven.headers["cache-control"] == "no-store"
    assert (await world.attempt_login()).status_code == 401
    assert (await recover(world, proven.json()["token"])).status_code == 204
    me = (await world.me(await world.log_in(password=OTHER))).json()
    assert (me["email_verified"], me["name"]) == (True, None)


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
    """Threat: whoever has a link in hand would try passwords past the throttle."""
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


async def test_an_account_from_before_the_switch_is_proven_by_its_password(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    """With its session, its name, and the factor that it has, which is asked for."""
    await world.make_user(name="Ada")
    ada = await world.log_in()
    app = await add_totp(world, ada, clock)
    await forget_proof(world)
    clock.advance(60)
    assert (await world.attempt_login()).status_code == 401
    await ask(world, "/verify-email/request")

    asked = await confirm_email(world, await token_from(mailbox, subject=CONFIRM), PASSWORD)

    assert (asked.status_code, asked.json()["code"]) == (401, "mfa_required")
    shown = await show_factor(world, asked.json()["mfa_token"], code=app.code())
    me = (await world.me(SignedIn.of(shown))).json()
    assert (me["name"], me["email_verified"]) == ("Ada", True)
    assert (await world.me(ada)).status_code == 200


async def test_the_operator_s_accounts_are_vouched_for_and_an_administrator_s_are_not(
    mailbox: Mailbox, world: World
) -> None:
    """Or nobody could ever be the first to get in."""
    admin = await world.make_admin()
    await mailbox.assert_none(world)
    body = {"email": ADA, "password": PASSWORD}
    made = await world.api.post("/admin/users", json=body, headers=admin.headers)

    assert made.json()["email_verified"] is False
    assert (await world.attempt_login()).status_code == 401
    ada = await confirm_email(world, await token_from(mailbox, subject=CONFIRM), PASSWORD)
    assert (await world.me(SignedIn.of(ada))).json()["role"] == Role.USER


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
    """Threat: mail bombing, and using up what the owner needs."""
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
