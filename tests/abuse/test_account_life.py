"""What is tried against the whole life of an account, beyond the numbered list."""

import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hashes import recorded_hashes
from tests.fixtures.logs import captured_log
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.statements import recorded_statements
from tests.fixtures.timing import how_alike
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.core.authority import Role
from keyfob.links.models import Kind
from keyfob.links.service import OneTimeTokens
from keyfob.settings import Settings
from keyfob.users.email import Email

NEW_PASSWORD = "quite another phrase"


async def link_of(world: World, user_id: UUID, kind: Kind, email: str = "new@example.org") -> str:
    """Return a live link's token."""
    async with world.db.begin() as tx:
        return await world.service(OneTimeTokens).issue(tx, user_id, kind, email=Email.parse(email))


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


# Links that come by mail


async def test_a_link_of_any_kind_is_no_token_of_any_other(world: World) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    tokens = {kind: await link_of(world, user_id, kind, "ada@example.com") for kind in Kind}
    choosing = {Kind.RECOVER, Kind.INVITE, Kind.CHANGE_PASSWORD}
    takers: list[tuple[str, dict[str, str], set[Kind]]] = [
        ("/verify-email/confirm", {}, {Kind.VERIFY_EMAIL}),
        ("/verify-email/confirm", {"password": PASSWORD}, {Kind.VERIFY_EMAIL}),
        ("/recover/confirm", {"password": NEW_PASSWORD}, choosing),
        ("/me/email/confirm", {}, {Kind.CHANGE_EMAIL}),
    ]

    for path, more, own in takers:
        wrong = [token for kind, token in tokens.items() if kind not in own]
        for token in [*wrong, ada.access, ada.refresh]:
            answer = await world.api.post(path, json={"token": token, **more}, headers=ada.headers)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_link"), path
    assert await world.db.fetchval("SELECT count(*) FROM one_time_tokens") == len(Kind)
    assert (await world.me(ada)).status_code == 200


@pytest.mark.parametrize("kind", Kind)
async def test_a_link_cut_lengthened_or_changed_in_any_one_character_is_none(
    world: World, kind: Kind
) -> None:
    token = await link_of(world, await world.make_user(), kind)
    links = world.service(OneTimeTokens)

    spoilt = [token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
              for place in range(len(token))]  # fmt: skip
    spoilt += [token[:-1], token[1:], token + "A", token + "=", token.swapcase(), f" {token}"]
    for text in spoilt:
        assert await links.find(world.db, kind, text) is None, text
    assert await links.find(world.db, kind, token) is not None


_ASKING = {
    "recover": ("/recover/request", {"email": "ada@example.com"}),
    "verify": ("/verify-email/request", {"email": "ada@example.com"}),
    "register": ("/register", {"email": "ada@example.com", "password": PASSWORD}),
}


@pytest.mark.parametrize("asking", [*_ASKING, "invite"])
@pytest.mark.parametrize("poison", _POISON, ids="-".join)
async def test_a_poisoned_host_changes_no_link_that_anybody_can_ask_for(
    mailbox: Mailbox,
    settings: Settings,
    clock: MovableClock,
    asking: str,
    poison: dict[str, str],
) -> None:
    required = settings.model_copy(
        update={"verify_email": "required", "public_url": "https://accounts.example.org/auth"}
    )
    async with World(required, clock) as world:
        if asking == "invite":
            admin = await world.make_admin()
            user_id = await world.make_user()
            path = f"/admin/users/{user_id}/invite"
            answer = await world.api.post(path, headers={**admin.headers, **poison})
        else:
            if asking != "register":
                await world.make_user()
                await world.db.execute("UPDATE users SET email_verified_at = NULL")
            path, body = _ASKING[asking]
            answer = await world.api.post(path, json=body, headers=poison)
        assert answer.status_code == 202

        mail = await mailbox.next(to="ada@example.com")

    assert mail.links()
    for link in mail.links():
        assert link.startswith("https://accounts.example.org/auth/ui/")
    assert b"evil.example" not in mail.content


@pytest.mark.parametrize("asking", _ASKING)
async def test_whoever_asks_for_a_mail_cannot_tell_whose_address_is_known(
    settings: Settings, clock: MovableClock, asking: str
) -> None:
    """By body, by headers, by what is asked of the database, and by time."""
    path, body = _ASKING[asking]
    async with World(settings.model_copy(update={"verify_email": "required"}), clock) as world:
        await world.make_user()
        await world.make_user("waiting@example.com")
        await world.db.execute(
            "UPDATE users SET email_verified_at = NULL, password_hash = NULL"
            " WHERE email LIKE 'waiting%'"
        )
        await world.wiring.runner.stop()  # what comes after the answer is not to be timed

        async def ask(email: str) -> httpx.Response:
            return await world.api.post(path, json={**body, "email": email})

        async def told_and_done(email: str) -> tuple[Any, ...]:
            with recorded_statements() as statements, recorded_hashes() as hashes:
                answer = await ask(email)
            headers = dict(answer.headers)
            del headers["x-request-id"]
            return answer.status_code, answer.content, headers, list(statements), list(hashes)

        unknown = await told_and_done("nobody@example.com")
        for email in ("ada@example.com", "waiting@example.com"):
            assert await told_and_done(email) == unknown
        overlap = await how_alike(lambda: ask("ada@example.com"), lambda: ask("no@example.com"))

    assert unknown[:2] == (202, b"")
    assert 0.25 < overlap < 0.75


async def test_the_time_of_forty_looks_more_would_be_told(world: World) -> None:
    """So that the measure of the test above is known to measure."""

    async def ask() -> None:
        await world.api.post("/recover/request", json={"email": "no@example.com"})

    async def ask_and_look() -> None:
        await ask()
        for _ in range(40):
            await world.db.fetchval("SELECT count(*) FROM users")

    await world.wiring.runner.stop()

    assert await how_alike(ask_and_look, ask) > 0.75


async def test_links_and_what_they_set_are_in_no_log(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    planted = ["planted.address@example.org", "planted password 4711", "another planted one 42"]
    with captured_log() as log:
        async with World(settings.model_copy(update={"verify_email": "required"}), clock) as world:
            sign_up = {"email": planted[0], "password": planted[1], "name": "Planted Name"}
            await world.api.post("/register", json=sign_up)
            (verifying,) = (await mailbox.next(to=planted[0])).tokens()
            await world.api.post("/verify-email/confirm", json={"token": verifying})
            await world.api.post("/verify-email/confirm", json={"token": verifying})
            await world.api.post("/recover/request", json={"email": planted[0]})
            (recovering,) = (await mailbox.next(to=planted[0])).tokens()
            for _ in range(2):
                await world.api.post(
                    "/recover/confirm", json={"token": recovering, "password": planted[2]}
                )
            await mailbox.settled(world)
            kept = str(await world.db.fetch("SELECT * FROM one_time_tokens"))
            kept += str(await world.db.fetch("SELECT * FROM audit_events"))

    for secret in [*planted, "Planted Name", verifying, recovering]:
        assert secret not in log.getvalue()
        assert secret not in kept
    assert log.lines


async def test_a_request_waits_sealed_and_without_a_trace_of_whose_it_is(
    world: World, settings: Settings
) -> None:
    """Threat: a stolen database would tell who asked, and with which password."""
    await world.wiring.runner.stop()
    await world.make_user()

    await world.api.post("/recover/request", json={"email": "ada@example.com"})

    (row,) = await world.db.fetch("SELECT * FROM outbox")
    assert row["user_id"] is None
    assert b"ada" not in row["payload"]


async def test_a_proven_address_is_never_carried_to_another(mailbox: Mailbox, world: World) -> None:
    """A change of address through an administrator, or none at all through the profile."""
    await world.make_user()
    ada = await world.log_in()
    admin = await world.make_admin()
    user_id = (await world.me(ada)).json()["id"]

    own = await world.api.patch("/me", json={"email": "victim@example.com"}, headers=ada.headers)
    theirs = await world.api.patch(
        f"/admin/users/{user_id}", json={"email": "victim@example.com"}, headers=admin.headers
    )

    assert own.status_code == 422
    assert theirs.json()["email_verified"] is False
