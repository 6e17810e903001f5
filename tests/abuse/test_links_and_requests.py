"""Attacks with links that anybody can ask for, beyond the numbered list."""

from typing import Any

import httpx
import pytest
from tests.abuse.own_links import link_of
from tests.fixtures.clock import MovableClock
from tests.fixtures.hashes import recorded_hashes
from tests.fixtures.logs import captured_log
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.statements import recorded_statements
from tests.fixtures.timing import how_alike
from tests.fixtures.world import PASSWORD, World

from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.settings import Settings

NEW_PASSWORD = "quite another phrase"
_POISON: list[dict[str, str]] = [
    {"Host": "evil.example"},
    {"X-Forwarded-Host": "evil.example"},
    {"Forwarded": "host=evil.example;proto=http"},
    {"X-Forwarded-Prefix": "//evil.example"},
    {"Referer": "https://evil.example/", "Origin": "https://evil.example"},
]


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
    token = await link_of(world, await world.make_user(), kind, "ada@example.com")
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
    """By body, headers, statements and time."""
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
    """Threat: a stolen database would reveal who asked, and with which password."""
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
