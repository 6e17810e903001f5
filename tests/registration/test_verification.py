"""Verifying an address: who gets a link, and what the link can be used for."""

import asyncio
from pathlib import Path

import pytest
from tests.fixtures.clock import MovableClock
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
from tests.fixtures.statements import recorded_statements
from tests.fixtures.waiting import until, until_somebody_waits
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.settings import Settings

CONFIRM = "Confirm your e-mail address"
REQUEST = "/verify-email/request"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"verify_email": "optional"})


async def is_verified(world: World, signed_in: SignedIn) -> bool:
    return bool((await world.me(signed_in)).json()["email_verified"])


async def test_where_it_is_optional_a_newcomer_is_signed_in_and_gets_a_link(
    mailbox: Mailbox, world: World
) -> None:
    answer = await sign_up(world, name="Cheap pills")

    ada = SignedIn.of(answer)
    assert answer.status_code == 201
    assert not await is_verified(world, ada)
    mail = await mailbox.next(to=ADA, subject=CONFIRM)
    assert "pills" not in mail.text
    proven = await confirm_email(world, *mail.tokens(), by=ada)
    assert (proven.status_code, proven.content) == (204, b"")
    await until(lambda: is_verified(world, ada))  # `GET /me` forgets what it knew
    assert (await world.attempt_login()).status_code == 200
    assert (await sign_up(world)).json()["code"] == "email_taken"
    await mailbox.assert_none(world)


async def test_where_it_is_off_no_mail_is_sent_and_a_link_can_be_asked_for(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    async with World(settings.model_copy(update={"verify_email": "off"}), clock) as world:
        ada = SignedIn.of(await sign_up(world, headers={"Accept-Language": "ru"}))
        await mailbox.assert_none(world)
        assert (await world.me(ada)).json()["locale"] == "ru"

        await ask(world, REQUEST)
        await confirm_email(world, await token_from(mailbox), PASSWORD)

        await until(lambda: is_verified(world, ada))


async def test_only_who_waits_for_a_link_gets_one_and_all_are_answered_alike(
    mailbox: Mailbox, world: World
) -> None:
    await sign_up(world)
    await sign_up(world, "blocked@example.com")
    await world.db.execute("UPDATE users SET status = 'blocked' WHERE email LIKE 'blocked%'")
    await world.make_user("proven@example.com")
    await mailbox.settled(world)
    mailbox.mails.clear()

    seen = []
    for email in ("Ada@EXAMPLE.com", "blocked@example.com", "proven@example.com", "no@example.com"):
        with recorded_statements() as statements:
            answer = await ask(world, REQUEST, email)
        seen.append((told(answer), list(statements)))
    await mailbox.settled(world)

    assert seen[0][0][:2] == (202, None)
    assert len(seen[0][1]) == 1
    assert seen == [seen[0]] * 4
    assert [mail.to for mail in mailbox.mails] == [ADA]


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "kfl_",
        "kfl_" + "A" * 43,
        "kfl_" + "A" * 42,
        "kfl_" + "Ä" * 43,
        "kfr_" + "A" * 43,
        "eyJhbGciOiJFZERTQSJ9.e30.AAAA",
        "' OR true --",
        "{{ 7 * 7 }}",
        "%00",
        "A" * 60_000,
    ],
)
@pytest.mark.parametrize("path", ["/verify-email/confirm", "/recover/confirm"])
async def test_whatever_is_no_token_is_refused_alike(world: World, path: str, token: str) -> None:
    body = {"token": token}
    if path == "/recover/confirm":
        body["password"] = "correct horse"

    answer = await world.api.post(path, json=body)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_link"
    assert token[:9] not in answer.text or len(token) < 5


async def test_no_bad_link_says_why_it_is_bad(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    await sign_up(world)
    older = await token_from(mailbox)
    await ask(world, REQUEST)
    newer = await token_from(mailbox)
    other_kind = await recovery_token(world, mailbox)

    answers = [await confirm_email(world, other_kind)]
    assert (await confirm_email(world, newer)).status_code == 200
    answers.append(await confirm_email(world, older))
    answers.append(await confirm_email(world, newer))
    await sign_up(world, "late@example.com")
    late = await token_from(mailbox, "late@example.com")
    clock.advance(1801)
    answers.append(await confirm_email(world, late))
    answers.append(await confirm_email(world, "kfl_" + "A" * 43))

    assert answers[0].json()["code"] == "invalid_link"
    assert [told(answer) for answer in answers] == [told(answers[0])] * 5


async def test_a_refresh_or_access_token_is_no_link(world: World, mailbox: Mailbox) -> None:
    ada = SignedIn.of(await sign_up(world))

    for token in (ada.access, ada.refresh):
        assert (await confirm_email(world, token)).json()["code"] == "invalid_link"
        assert (await recover(world, token)).json()["code"] == "invalid_link"
    assert (await world.refresh(ada.refresh)).status_code == 200


async def test_a_link_is_no_token_of_anything_else(world: World, mailbox: Mailbox) -> None:
    await sign_up(world)
    tokens = [await token_from(mailbox, subject=CONFIRM), await recovery_token(world, mailbox)]

    for token in tokens:
        headers = {"Authorization": f"Bearer {token}"}
        assert (await world.api.get("/me", headers=headers)).json()["code"] == "invalid_token"
        assert (await world.refresh(token)).json()["code"] == "invalid_refresh_token"
    assert (await recover(world, tokens[0])).json()["code"] == "invalid_link"
    assert (await confirm_email(world, tokens[1])).json()["code"] == "invalid_link"
    assert (await confirm_email(world, tokens[0], PASSWORD)).status_code == 200


async def test_by_another_s_session_or_one_that_has_ended_nothing_is_proven(
    mailbox: Mailbox, world: World
) -> None:
    """A caller with an invalid token is not treated as a stranger."""
    ada = SignedIn.of(await sign_up(world))
    token = await token_from(mailbox)
    await world.make_user("eve@example.com")
    eve = await world.log_in("eve@example.com")
    ended = await world.log_in()
    await world.api.delete("/logout", headers=ended.headers)
    forged = SignedIn(ada.access[:-4] + "AAAA", ada.refresh, ada.session_id)

    assert (await confirm_email(world, token, by=eve)).json()["code"] == "invalid_link"
    for caller in (ended, forged):
        refused = await confirm_email(world, token, by=caller)
        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")

    assert not await is_verified(world, ada)
    assert (await world.me(ada)).status_code == 200
    assert (await confirm_email(world, token, by=ada)).status_code == 204


async def test_a_session_that_ends_in_the_moment_of_the_proof_proves_nothing(
    mailbox: Mailbox, world: World
) -> None:
    ada = SignedIn.of(await sign_up(world))
    token = await token_from(mailbox)

    async with world.db.begin() as tx:
        await tx.execute("SELECT FROM users FOR UPDATE")
        proving = asyncio.create_task(confirm_email(world, token, by=ada))
        await until_somebody_waits(world.db)
        await tx.execute("UPDATE sessions SET ended_at = now()")

    assert (await proving).json()["code"] == "invalid_token"
    assert await world.db.fetchval("SELECT first_proven_at FROM users") is None


@pytest.mark.parametrize("by", ["password", "session", "link"])
async def test_each_proof_is_written_down_with_what_ended(
    mailbox: Mailbox, world: World, by: str
) -> None:
    ada = SignedIn.of(await sign_up(world, name="Ada"))
    token = await token_from(mailbox)

    password, caller = PASSWORD if by == "password" else None, ada if by == "session" else None
    await confirm_email(world, token, password, caller)

    event = (await world.audit_log())[-1]
    ended = {"sessions": 1, "password": 1, "name": 1} if by == "link" else None
    assert event["action"] == "user.email_verified"
    assert event["new_values"] == {"by": by, "first": True}
    assert event["old_values"] == ({"ended": ended} if ended else {})
    assert (await world.me(ada)).status_code == (401 if by == "link" else 200)


async def test_a_link_alone_takes_no_name_from_an_account_that_has_an_owner(
    mailbox: Mailbox, world: World
) -> None:
    """An administrator gave it another address; its reader may choose a password, as ever."""
    root = await world.make_admin()
    user_id = await world.make_user("old@example.com", name="Ada")
    body = {"email": ADA}
    await world.api.patch(f"/admin/users/{user_id}", json=body, headers=root.headers)

    proven = await confirm_email(world, await token_from(mailbox, subject=CONFIRM))

    assert (await recover(world, proven.json()["token"])).status_code == 204
    me = (await world.me(await world.log_in(password=OTHER))).json()
    assert (me["name"], me["email_verified"]) == ("Ada", True)


async def test_a_link_of_an_account_with_a_given_password_asks_for_another(
    mailbox: Mailbox, world: World
) -> None:
    root = await world.make_admin()
    body = {"email": ADA, "password": PASSWORD, "must_change_password": True}
    await world.api.post("/admin/users", json=body, headers=root.headers)

    asked = await confirm_email(world, await token_from(mailbox, subject=CONFIRM), PASSWORD)

    assert (asked.status_code, asked.json()["code"]) == (403, "password_change_required")
    assert (await recover(world, asked.json()["token"])).status_code == 204
    me = (await world.me(await world.log_in(password=OTHER))).json()
    assert me["email_verified"] is True


async def test_of_two_that_bring_one_link_at_once_to_two_workers_one_wins(
    mailbox: Mailbox, world: World, settings: Settings, clock: MovableClock
) -> None:
    await sign_up(world)
    token = await token_from(mailbox)

    async with World(settings, clock) as other:
        async with world.db.begin() as tx:  # both have found it good, and wait for the account
            await tx.fetch("SELECT FROM users FOR UPDATE")
            both = asyncio.gather(confirm_email(world, token), confirm_email(other, token))
            await until_somebody_waits(world.db)
        answers = await both

    assert sorted(answer.status_code for answer in answers) == [200, 400]
    verified = [e for e in await world.audit_log() if e["action"] == "user.email_verified"]
    assert len(verified) == 1


async def test_it_goes_on_after_a_restart_and_in_another_worker(
    mailbox: Mailbox, settings: Settings, clock: MovableClock, tmp_path: Path
) -> None:
    required = settings.model_copy(update={"verify_email": "required"})
    async with World(required, clock) as first:
        await sign_up(first)
        token = await token_from(mailbox)
    async with World(required, clock) as second, World(required, clock) as third:
        assert (await confirm_email(second, token, PASSWORD)).status_code == 200
        assert (await confirm_email(third, token, PASSWORD)).json()["code"] == "invalid_link"
        assert (await third.attempt_login()).status_code == 200


async def test_a_link_to_the_address_of_before_proves_nothing(
    mailbox: Mailbox, world: World
) -> None:
    """Threat: to prove one's own address, and then take another's."""
    await sign_up(world)
    token = await token_from(mailbox)
    await world.db.execute("UPDATE users SET email = $1, email_normal = $1", "victim@example.com")

    refused = await confirm_email(world, token)

    assert refused.json()["code"] == "invalid_link"
    assert await world.db.fetchval("SELECT email_verified_at FROM users") is None


@pytest.mark.parametrize("mode", ["off", "optional", "required"])
async def test_an_administrator_s_change_of_address_makes_it_unproven_and_kills_every_link(
    mailbox: Mailbox, settings: Settings, clock: MovableClock, mode: str
) -> None:
    async with World(settings.model_copy(update={"verify_email": mode}), clock) as world:
        admin = await world.make_admin()
        user_id = await world.make_user(ADA, name="Ada")
        links = world.service(OneTimeTokens)
        async with world.db.begin() as tx:
            issued = {kind: await links.issue(tx, user_id, kind) for kind in Kind}

        async def change(email: str) -> dict[str, object]:
            answer = await world.api.patch(
                f"/admin/users/{user_id}", json={"email": email}, headers=admin.headers
            )
            assert answer.status_code == 200
            body: dict[str, object] = answer.json()
            return body

        assert (await change("ADA@example.com"))["email_verified"] is True
        assert all([await links.find(world.db, kind, text) for kind, text in issued.items()])
        await mailbox.assert_none(world)

        assert (await change("new@example.com"))["email_verified"] is False
        assert not any([await links.find(world.db, kind, text) for kind, text in issued.items()])
        told_before = await mailbox.next(to="ADA@example.com", subject="address was changed")
        assert "n***@example.com" in told_before.text
        signs_in = await world.attempt_login("new@example.com")
        assert signs_in.status_code == (401 if mode == "required" else 200)
        if mode != "off":
            token = await token_from(mailbox, "new@example.com", CONFIRM)
            assert (await confirm_email(world, token, PASSWORD)).status_code == 200
            assert (await world.attempt_login("new@example.com")).status_code == 200
        await mailbox.assert_none(world)


async def test_what_does_not_fit_is_refused(world: World) -> None:
    for path, body, pointer in [
        (REQUEST, {"email": "nobody"}, "/body/email"),
        (REQUEST, {}, "/body/email"),
        (REQUEST, {"email": ADA, "name": "Ada"}, "/body"),
        ("/verify-email/confirm", {"token": ""}, "/body/token"),
        ("/verify-email/confirm", {"token": "a\u0000b"}, "/body/token"),
        ("/verify-email/confirm", {"token": 1}, "/body/token"),
        ("/verify-email/confirm", {"token": "x", "email": ADA}, "/body"),
        ("/verify-email/confirm", {"token": "x", "password": ""}, "/body/password"),
        ("/verify-email/confirm", {"token": "x", "password": "a\u0000b"}, "/body/password"),
        ("/verify-email/confirm", {"token": "x", "password": None}, "/body/password"),
    ]:
        answer = await world.api.post(path, json=body)

        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_requests_are_limited_by_client(settings: Settings, clock: MovableClock) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_verify_email": "2/minute"})
    async with World(limited, clock) as world:
        answers = [await ask(world, REQUEST) for _ in range(2)]
        answers.append(await confirm_email(world, "x"))
        elsewhere = await world.client("198.51.100.9").post(REQUEST, json={"email": ADA})

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[0].headers["ratelimit"] == '"verify-email";r=1;t=60'
    assert elsewhere.status_code == 202


async def test_a_right_password_beside_a_link_that_is_used_meanwhile_is_no_failure(
    settings: Settings, clock: MovableClock, mailbox: Mailbox
) -> None:
    changed = {"limits": "on", "limit_login_account": "6/hour", "verify_email": "optional"}
    async with World(settings.model_copy(update=changed), clock) as world:
        await sign_up(world)
        token = await token_from(mailbox)

        answers = await asyncio.gather(*(confirm_email(world, token, PASSWORD) for _ in range(5)))

        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]
        guesses = [
            await world.attempt_login(password="a guess", by=f"198.51.100.{host}")
            for host in range(6)
        ]
        assert [answer.status_code for answer in guesses] == [401] * 6
