"""Attacks on the whole life of an account, beyond the numbered list."""

import re
from typing import Any

import httpx
import pytest
from tests.abuse.own_links import link_of
from tests.fixtures.clock import MovableClock
from tests.fixtures.logs import captured_log
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.statements import recorded_statements
from tests.fixtures.waiting import until
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.authority.models import Role
from keyfob.one_time_tokens.models import Kind
from keyfob.settings import Settings

NEW_PASSWORD = "quite another phrase"
# One's own account

_PROFILE_FIELDS: list[dict[str, Any]] = [
    {"email": "eve@example.com"},
    {"email_verified": True},
    {"email_verified_at": "2026-01-01T00:00:00Z"},
    {"email_normal": "eve@example.com"},
    {"role": "admin"},
    {"status": "active"},
    {"erase_at": None},
    {"must_change_password": False},
    {"password": NEW_PASSWORD},
    {"name": "Ada", "Role": "admin"},
    {"name": "Ada", "__proto__": {"role": "admin"}},
]


@pytest.mark.parametrize("body", _PROFILE_FIELDS, ids="-".join)
async def test_nobody_verifies_or_promotes_themselves_through_the_profile(
    world: World, body: dict[str, Any]
) -> None:
    await world.make_user()
    ada = await world.log_in()
    before = await world.db.fetchrow("SELECT * FROM users")

    for path in ("/me", "/auth/me", "/me/"):
        answer = await world.api.patch(path, json=body, headers=ada.headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")

    assert await world.db.fetchrow("SELECT * FROM users") == before


_NEEDS_RECENT: list[tuple[str, str, Any]] = [
    ("POST", "/me/password", {"current_password": PASSWORD, "password": NEW_PASSWORD}),
    ("POST", "/me/email", {"email": "eve@example.com"}),
    ("DELETE", "/me", None),
]


@pytest.mark.parametrize(("method", "path", "body"), _NEEDS_RECENT)
async def test_a_stolen_session_that_is_old_changes_nothing_that_lasts(
    world: World,
    clock: MovableClock,
    settings: Settings,
    method: str,
    path: str,
    body: Any,
) -> None:
    await world.make_user()
    ada = await world.log_in()
    clock.advance(settings.recent_sign_in + 1)
    # However fresh the token: a refresh proves nothing about who holds it.
    stolen = SignedIn.of(await world.refresh(ada.refresh))
    rows = "SELECT u.*, (SELECT count(*) FROM outbox) AS queued FROM users AS u"
    before = await world.db.fetchrow(rows)

    answer = await world.api.request(method, path, json=body, headers=stolen.headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "insufficient_user_authentication")
    assert re.search(
        r'error="insufficient_user_authentication", max_age="\d+"', str(answer.headers)
    )
    assert await world.db.fetchrow(rows) == before


async def test_a_token_of_one_kind_confirms_no_address(world: World) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    links = [await link_of(world, user_id, kind) for kind in (Kind.RECOVER, Kind.VERIFY_EMAIL)]
    good = await link_of(world, user_id, Kind.CHANGE_EMAIL)
    others = [*links, ada.access, ada.refresh, good.removeprefix("kfl_"), good.upper(), f"{good} "]

    for token in others:
        answer = await world.api.post(
            "/me/email/confirm", json={"token": token}, headers=ada.headers
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_link")

    assert (await world.me(ada)).json()["email"] == "ada@example.com"


async def test_a_token_that_confirms_an_address_is_good_for_nothing_else(world: World) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    token = await link_of(world, user_id, Kind.CHANGE_EMAIL)

    answers = [
        await world.api.get("/me", headers={"Authorization": f"Bearer {token}"}),
        await world.refresh(token),
        await world.api.post("/verify-email/confirm", json={"token": token}),
        await world.api.post("/recover/confirm", json={"token": token, "password": NEW_PASSWORD}),
        await world.api.post("/login/mfa", json={"mfa_token": token, "code": "123456"}),
        await world.api.request("DELETE", "/logout", json={"token": token}, headers=ada.headers),
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 400, 400, 401, 403]
    used = await world.api.post("/me/email/confirm", json={"token": token}, headers=ada.headers)
    assert used.status_code == 204  # it was spent by none of them


async def test_an_older_link_to_another_address_is_dead_after_a_newer(
    mailbox: Mailbox, world: World
) -> None:
    await world.make_user()
    ada = await world.log_in()
    tokens = []
    for address in ("first@example.org", "second@example.org"):
        await world.api.post("/me/email", json={"email": address}, headers=ada.headers)
        tokens += (await mailbox.next(to=address)).tokens()

    older, newer = [
        await world.api.post("/me/email/confirm", json={"token": token}, headers=ada.headers)
        for token in tokens
    ]

    assert (older.status_code, newer.status_code) == (400, 204)
    assert (await world.me(ada)).json()["email"] == "second@example.org"


_POISON: list[dict[str, str]] = [
    {"Host": "evil.example"},
    {"X-Forwarded-Host": "evil.example"},
    {"Forwarded": "host=evil.example;proto=http"},
    {"X-Forwarded-Prefix": "//evil.example"},
    {"Referer": "https://evil.example/", "Origin": "https://evil.example"},
]


@pytest.mark.parametrize("poison", _POISON, ids="-".join)
async def test_a_poisoned_host_changes_no_link_to_a_new_address(
    mailbox: Mailbox, world: World, settings: Settings, poison: dict[str, str]
) -> None:
    await world.make_user()
    ada = await world.log_in()

    await world.api.post(
        "/me/email", json={"email": "new@example.org"}, headers={**ada.headers, **poison}
    )

    mail = await mailbox.next(to="new@example.org")
    assert mail.links()
    assert all(link.startswith(f"{settings.public_base}/ui/email#") for link in mail.links())
    assert b"evil.example" not in mail.content


async def test_a_change_of_address_tells_nobody_whether_another_has_an_account(
    world: World,
) -> None:
    """By body, by headers, and by the work that the answer waits for."""
    await world.make_user()
    for known in ("known@example.org", "other@example.org"):
        await world.make_user(known)
    ada = await world.log_in()

    async def told_and_done(email: str) -> tuple[Any, list[str]]:
        with recorded_statements() as statements:
            answer = await world.api.post("/me/email", json={"email": email}, headers=ada.headers)
        headers = dict(answer.headers)
        del headers["x-request-id"]
        return (answer.status_code, answer.content, headers), statements

    free = await told_and_done("nobody@example.org")
    taken = await told_and_done("known@example.org")

    assert free == taken
    assert free[0][0] == 202


@pytest.mark.parametrize("beyond_the_cap", [False, True])
async def test_what_a_change_of_address_leaves_tells_nobody_either(
    settings: Settings, clock: MovableClock, mailbox: Mailbox, beyond_the_cap: bool
) -> None:
    """By links, jobs and mails, what becomes of the mails, and what becomes of an older link."""
    capped = {"limits": "on", "limit_mail": "1/hour", "limit_me_email": "1000/minute"}
    async with World(settings.model_copy(update=capped), clock) as world:
        await world.make_user("known@example.org")
        left = []
        for name in ("known", "free"):
            await world.make_user(f"eve.{name}@example.com")
            eve = await world.log_in(f"eve.{name}@example.com")
            if beyond_the_cap:
                await ask_to_move(world, eve, f"{name}@example.org")
                await mailbox.settled(world)
            left.append(await left_by_asking(world, mailbox, eve, name))

    assert left[0] == left[1]
    assert (left[0]["older link"], len(left[0]["links"]), len(left[0]["queued"])) == (400, 1, 0)


async def ask_to_move(world: World, eve: SignedIn, email: str) -> None:
    answer = await world.api.post("/me/email", json={"email": email}, headers=eve.headers)
    assert answer.status_code == 202


async def left_by_asking(
    world: World, mailbox: Mailbox, eve: SignedIn, name: str
) -> dict[str, Any]:
    """Ask for an address of the own, then for one whose server is slow; return what is left."""
    await ask_to_move(world, eve, f"eves.{name}@example.net")
    (older,) = (await mailbox.next(to=f"eves.{name}@example.net")).tokens()
    mailbox.answers.append("451 come again")
    await ask_to_move(world, eve, f"{name}@example.org")
    await until_tried(world)
    mailbox.answers.clear()
    export = (await world.api.get("/me/export", headers=eve.headers)).json()
    confirmed = await world.api.post(
        "/me/email/confirm", json={"token": older}, headers=eve.headers
    )
    await world.db.execute("DELETE FROM outbox")
    mails = [mail.subject for mail in mailbox.mails if "eve" in mail.to]
    links = [{**link, "email": link["email"].replace(name, "-")} for link in export["links"]]
    return {
        "links": links,
        "queued": export["queued"],
        "older link": confirmed.status_code,
        "mails": mails,
    }


async def until_tried(world: World) -> None:
    """Wait until every job was done, or put off."""

    async def all_were() -> bool:
        untried = "SELECT count(*) FROM outbox WHERE last_error IS NULL"
        return not await world.db.fetchval(untried)

    await until(all_were)


async def test_what_an_owner_types_is_in_no_log(mailbox: Mailbox, world: World) -> None:
    planted = [
        "planted.address@example.org",
        "Planted Name",
        "planted old pass",
        "planted new pass",
    ]
    with captured_log() as log:
        await world.make_user(password=planted[2])
        ada = await world.log_in(password=planted[2])
        await world.api.patch("/me", json={"name": planted[1]}, headers=ada.headers)
        await world.api.post("/me/email", json={"email": planted[0]}, headers=ada.headers)
        token = (await mailbox.next(to=planted[0])).tokens()[0]
        await world.api.post("/me/email/confirm", json={"token": token}, headers=ada.headers)
        await world.api.post(
            "/me/password",
            json={"current_password": planted[2], "password": planted[3]},
            headers=ada.headers,
        )
        await mailbox.settled(world)

    assert log.lines
    assert [text for text in [*planted, token, token[4:]] if text in log.getvalue()] == []


async def test_an_account_is_left_by_its_owner_alone(world: World) -> None:
    await world.make_admin()
    await world.make_user()
    await world.make_user("eve@example.com", role=Role.MODERATOR)
    eve = await world.log_in("eve@example.com")

    for body in ({"id": "x"}, {"email": "ada@example.com"}, None):
        await world.api.request("DELETE", "/me", json=body, headers=eve.headers)
    stranger: httpx.Response = await world.api.delete("/me")

    assert stranger.status_code == 401
    planned = await world.db.fetch("SELECT email FROM users WHERE erase_at IS NOT NULL")
    assert [row["email"] for row in planned] == ["eve@example.com"]
