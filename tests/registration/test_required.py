"""KEYFOB_VERIFY_EMAIL=required: nobody signs in with an address that is not verified."""

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
from tests.fixtures.world import CLIENT, PASSWORD, SignedIn, World

from keyfob.authority.models import Role
from keyfob.devices.source import Source
from keyfob.sessions.service import Sessions
from keyfob.settings import Settings

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
                await world.service(Sessions).open(tx, user_id, Source(CLIENT, ""), ["pop", "user"])
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


async def test_an_account_from_before_the_switch_is_proven_by_its_password(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    """With its session, its name, and its factor, which is required."""
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
