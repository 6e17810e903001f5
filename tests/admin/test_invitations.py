"""Accounts made for somebody else: invitations, recoveries, and passwords to be changed."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.links import ADA, OTHER, recover, recovery_token, token_from
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.passkeys import own_passkey, sign_in
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens

INVITED = "You are invited"
RECOVER = "Choose a new password"


async def create(world: World, admin: SignedIn, **fields: Any) -> httpx.Response:
    body = {"email": "Ada@Example.com", **fields}
    return await world.api.post("/admin/users", json=body, headers=admin.headers)


async def send(world: World, admin: SignedIn, user_id: UUID | str, what: str) -> httpx.Response:
    return await world.api.post(f"/admin/users/{user_id}/{what}", headers=admin.headers)


async def test_an_account_without_a_password_is_an_invitation(
    mailbox: Mailbox, world: World, admin: SignedIn
) -> None:
    made = await create(world, admin, role="moderator", name="Ada")

    assert (made.status_code, made.json()["email_verified"]) == (201, False)
    mail = await mailbox.next(to="Ada@example.com", subject=INVITED)
    (token,) = mail.tokens()
    assert mail.links()[0] == f"http://localhost:8000/auth/ui/invite#token={token}"
    assert token not in made.text
    for guess in ("", PASSWORD, "None", "null"):
        assert (await world.attempt_login(password=guess or "x")).status_code == 401

    assert (await recover(world, token)).status_code == 204

    me = (await world.me(await world.log_in(password=OTHER))).json()
    assert (me["role"], me["name"], me["email_verified"]) == ("moderator", "Ada", True)
    assert (await recover(world, token)).json()["code"] == "invalid_link"


async def test_who_was_invited_can_also_ask_for_a_link(
    mailbox: Mailbox, world: World, admin: SignedIn
) -> None:
    """Whose mail went astray, or came too late."""
    await create(world, admin)
    await mailbox.next(subject=INVITED)

    token = await recovery_token(world, mailbox, "Ada@example.com")

    assert (await recover(world, token)).status_code == 204
    assert (await world.attempt_login(password=OTHER)).status_code == 200


async def test_a_password_of_null_is_no_invitation(world: World, admin: SignedIn) -> None:
    refused = await create(world, admin, password=None)

    assert refused.status_code == 422
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/body/password"]


async def test_one_who_is_blocked_from_the_start_is_not_written_to(
    mailbox: Mailbox, world: World, admin: SignedIn
) -> None:
    made = await create(world, admin, status="blocked")

    assert made.status_code == 201
    await mailbox.assert_none(world)


@pytest.mark.parametrize(
    ("what", "subject", "action", "page"),
    [
        ("invite", INVITED, "user.invited", "invite"),
        ("recover", RECOVER, "user.recovery_started", "recover"),
    ],
)
async def test_a_link_is_sent_and_written_down(
    mailbox: Mailbox,
    world: World,
    admin: SignedIn,
    what: str,
    subject: str,
    action: str,
    page: str,
) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    older = await recovery_token(world, mailbox)

    sent = await send(world, admin, user_id, what)

    assert (sent.status_code, sent.content) == (202, b"")
    mail = await mailbox.next(to=ADA, subject=subject)
    (token,) = mail.tokens()
    assert f"/ui/{page}#token=" in mail.links()[0]
    event = (await world.audit_log())[-1]
    assert (event["action"], event["target_id"], event["new_values"]) == (
        action,
        user_id,
        {"email": "a***@example.com"},
    )
    assert str(event["actor_id"]) == (await world.me(admin)).json()["id"]
    # Nothing has changed until the link is used; then the older one is dead, too.
    assert (await world.me(ada)).status_code == 200
    assert (await world.attempt_login()).status_code == 200
    assert (await recover(world, token)).status_code == 204
    assert (await world.me(ada)).status_code == 401
    assert (await recover(world, older)).json()["code"] == "invalid_link"


@pytest.mark.parametrize("what", ["invite", "recover"])
async def test_nobody_and_who_is_blocked_get_no_link(
    mailbox: Mailbox, world: World, admin: SignedIn, what: str
) -> None:
    user_id = await world.make_user()
    await world.db.execute("UPDATE users SET status = 'blocked' WHERE id = $1", user_id)
    audited = len(await world.audit_log())

    blocked = await send(world, admin, user_id, what)
    unknown = await send(world, admin, UUID(int=7), what)
    garbled = await send(world, admin, "ada", what)

    assert (blocked.status_code, blocked.json()["code"]) == (409, "user_blocked")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "user_not_found")
    assert garbled.status_code == 422
    await mailbox.assert_none(world)
    assert len(await world.audit_log()) == audited
    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == 0


@pytest.mark.parametrize("what", ["invite", "recover"])
async def test_only_administrators_have_links_sent(
    mailbox: Mailbox, world: World, what: str
) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()

    assert (await send(world, ada, user_id, what)).status_code == 403
    assert (await world.api.post(f"/admin/users/{user_id}/{what}")).status_code == 401
    await mailbox.assert_none(world)


async def test_the_first_sign_in_with_a_given_password_asks_for_another(
    mailbox: Mailbox, world: World, admin: SignedIn
) -> None:
    made = await create(world, admin, password=PASSWORD, must_change_password=True)
    assert made.status_code == 201

    refused = await world.attempt_login()

    assert refused.status_code == 403
    body = refused.json()
    assert body["code"] == "password_change_required"
    assert refused.headers["cache-control"] == "no-store"
    assert "access_token" not in body
    logged = {
        (row["outcome"], row["reason"], str(row["user_id"])) for row in await world.login_log()
    }
    assert ("refused", "password_change_required", made.json()["id"]) in logged
    assert (await recover(world, body["token"], "password1")).json()["code"] == "weak_password"

    assert (await recover(world, body["token"])).status_code == 204

    me = (await world.me(await world.log_in(password=OTHER))).json()
    assert me["email_verified"] is False  # the token came with no mail
    assert (await world.attempt_login()).status_code == 401
    assert (await recover(world, body["token"])).json()["code"] == "invalid_link"


async def test_each_sign_in_gives_another_token_beside_those_of_others_and_one_is_used(
    world: World, admin: SignedIn
) -> None:
    """Threat: somebody who knows the given password would invalidate the user's token."""
    await create(world, admin, password=PASSWORD, must_change_password=True)
    older, newer = [(await world.attempt_login()).json()["token"] for _ in range(2)]

    assert (await recover(world, older)).status_code == 204
    assert (await recover(world, newer, "a third horse")).json()["code"] == "invalid_link"


async def test_sign_ins_that_ask_for_another_password_do_not_fill_the_table(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    await create(world, admin, password=PASSWORD, must_change_password=True)

    tokens = []
    for _ in range(12):
        tokens.append((await world.attempt_login()).json()["token"])
        clock.advance(1)  # which is the newest is told by its time

    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == 10
    assert (await recover(world, tokens[-1])).status_code == 204


async def test_the_token_of_a_given_password_kills_no_invitation(
    mailbox: Mailbox, world: World, admin: SignedIn
) -> None:
    """Threat: somebody else was given the password on paper, and takes the account for good."""
    made = await create(world, admin, password=PASSWORD, must_change_password=True)
    await send(world, admin, made.json()["id"], "invite")
    invited = await token_from(mailbox, "Ada@example.com", INVITED)

    token = (await world.attempt_login()).json()["token"]
    assert (await recover(world, token, "the thief's own")).status_code == 204

    assert (await recover(world, invited)).status_code == 204
    assert (await world.attempt_login(password="the thief's own")).status_code == 401
    assert (await world.attempt_login(password=OTHER)).status_code == 200


async def test_an_invitation_lives_a_week(
    mailbox: Mailbox, world: World, admin: SignedIn, clock: MovableClock
) -> None:
    await create(world, admin)
    await create(world, admin, email="bob@example.com")
    mail = await mailbox.next(to="Ada@example.com", subject=INVITED)
    late = await token_from(mailbox, "bob@example.com", INVITED)
    assert f"until {clock.now() + timedelta(days=7):%Y-%m-%d %H:%M} UTC" in mail.text

    clock.advance(7 * 86400 - 1)
    assert (await recover(world, *mail.tokens())).status_code == 204
    clock.advance(1)

    assert (await recover(world, late)).json()["code"] == "invalid_link"


async def test_a_wrong_password_tells_nothing_of_it(world: World, admin: SignedIn) -> None:
    await create(world, admin, password=PASSWORD, must_change_password=True)

    refused = await world.attempt_login(password="a wrong horse")

    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_credentials")
    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == 0


async def test_a_block_is_told_before_the_change(world: World, admin: SignedIn) -> None:
    made = await create(world, admin, password=PASSWORD, must_change_password=True)
    user_id = made.json()["id"]
    await world.api.patch(
        f"/admin/users/{user_id}", json={"status": "blocked"}, headers=admin.headers
    )

    refused = await world.attempt_login()

    assert (refused.status_code, refused.json()["code"]) == (403, "account_blocked")
    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == 0


async def test_a_mailed_link_does_as_well(mailbox: Mailbox, world: World, admin: SignedIn) -> None:
    await create(world, admin, password=PASSWORD, must_change_password=True)

    await recover(world, await recovery_token(world, mailbox, "Ada@example.com"))

    me = (await world.me(await world.log_in(password=OTHER))).json()
    assert me["email_verified"] is True


async def test_the_second_factor_is_asked_before_the_change(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    await world.db.execute("UPDATE users SET must_change_password = true")
    clock.advance(60)

    mfa_token = await ask_for_factor(world)
    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == 0
    refused = await show_factor(world, mfa_token, code=app.code())

    assert (refused.status_code, refused.json()["code"]) == (403, "password_change_required")
    assert (await recover(world, refused.json()["token"])).status_code == 204
    assert await ask_for_factor(world, password=OTHER)


async def test_a_passkey_is_no_way_round(world: World) -> None:
    await world.make_user()
    passkey = await own_passkey(world, await world.log_in())
    await world.db.execute("UPDATE users SET must_change_password = true")

    refused = await sign_in(world, passkey)

    assert (refused.status_code, refused.json()["code"]) == (403, "password_change_required")
    assert (await recover(world, refused.json()["token"])).status_code == 204
    assert (await sign_in(world, passkey)).status_code == 200


async def test_no_administrator_sees_a_token_or_a_password(
    mailbox: Mailbox, world: World, admin: SignedIn
) -> None:
    made = await create(world, admin)
    user_id = made.json()["id"]
    tokens = [await token_from(mailbox, "Ada@example.com", INVITED)]
    said = [made.text, (await send(world, admin, user_id, "recover")).text]
    tokens.append(await token_from(mailbox, "Ada@example.com", RECOVER))
    paths = ("/admin/users", f"/admin/users/{user_id}", "/admin/audit", "/admin/logins")
    said += [(await world.api.get(path, headers=admin.headers)).text for path in paths]

    for token in tokens:
        assert not any(token in text for text in said)
    assert not any("password_hash" in text or "$2b$" in text for text in said)


async def test_an_invitation_and_a_recovery_are_two_and_the_use_of_one_ends_both(
    mailbox: Mailbox, world: World, admin: SignedIn
) -> None:
    made = await create(world, admin)
    user_id = made.json()["id"]
    invited = await token_from(mailbox, "Ada@example.com", INVITED)
    await send(world, admin, user_id, "recover")
    recovering = await token_from(mailbox, "Ada@example.com", RECOVER)

    links = world.service(OneTimeTokens)
    assert await links.find(world.db, Kind.INVITE, invited) is not None
    assert await links.find(world.db, Kind.RECOVER, recovering) is not None

    assert (await recover(world, invited)).status_code == 204

    assert (await recover(world, recovering)).json()["code"] == "invalid_link"
