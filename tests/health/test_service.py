"""The state of the service, its settings and its outbox, as administrators see and keep them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import SignedIn, World, eventually

from keyfob import __version__
from keyfob.audit.watch import ChainWatch
from keyfob.health.state import Watch
from keyfob.mail.delivery import Delivery
from keyfob.migrations.head import HEAD
from keyfob.outbox.errors import TryAgain
from keyfob.outbox.service import Outbox
from keyfob.settings import Settings
from keyfob.settings.shown import shown_settings
from keyfob.statistics.service import Statistics
from keyfob.tokens.keyring import Keyring

Body = dict[str, Any]


@pytest.fixture
async def admin(world: World) -> SignedIn:
    world.service(Statistics).reuse = 0
    world.service(ChainWatch).patience = 20
    return await world.make_admin()


async def read(world: World, caller: SignedIn, path: str = "") -> Any:
    answer = await world.api.get(f"/admin/service{path}", headers=caller.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def bury(world: World, clock: MovableClock, *, days: int | None = None) -> UUID:
    """Put a dead letter into the outbox; with `days`, its link is valid for so long."""
    await world.db.execute("DELETE FROM outbox")
    async with world.db.begin() as tx:
        payload = {"to": {"address": "ada@example.com"}, "template": "recover"}
        await world.service(Outbox).add(tx, "nobody's", payload)
    job: UUID = await world.db.fetchval(
        "UPDATE outbox SET failed_at = $1, last_error = 'refused: 550', attempts = 3,"
        " expires_at = $2 RETURNING id",
        clock.now(),
        None if days is None else clock.now() + timedelta(days=days),
    )
    return job


async def test_the_state_of_the_service(world: World, admin: SignedIn) -> None:
    body = await read(world, admin)

    assert (body["version"], body["schema_revision"], body["schema_state"]) == (
        __version__,
        HEAD,
        "current",
    )
    assert body["database"].split(".")[0].isdigit()
    assert (body["feed_live"], body["workers"] >= 1, body["live_sessions"]) == (True, True, 1)
    assert body["outbox"] == {"waiting": 0, "dead": 0}
    assert body["audit_chain"] == {
        "intact_to": 1,
        "broken_at": None,
        "begun_anew_at": None,
        "checked_at": "2026-11-22T12:00:00Z",
        "is_checking": False,
    }
    assert {need["need"] for need in body["needs"]} == {
        "admins_without_factor",
        "limits_off",
        "mail_only_kept",
    }


async def test_what_needs_attention(world: World, admin: SignedIn, clock: MovableClock) -> None:
    await bury(world, clock)
    await world.make_user("ada@example.com")
    await world.db.execute("UPDATE audit_events SET action = 'x' WHERE position = 2")
    world.wiring.feed.is_live = False
    clock.advance(days=200)
    watch = world.service(Watch)

    needs = watch.needs(await watch.state())

    assert [(one.need.value, one.amount) for one in needs] == [
        ("audit_chain_broken", 2),
        ("feed_away", 1),
        ("signing_key_due", 1),
        ("admins_without_factor", 1),
        ("dead_letters", 1),
        ("limits_off", 1),
        ("mail_only_kept", 1),
    ]
    world.wiring.feed.is_live = True


async def test_the_chain_is_verified_on_and_anew_after_an_hour(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    watch = world.service(ChainWatch)
    for number in range(60):
        await world.make_user(f"u{number}@example.com")
    assert (await watch.state())[:2] == (61, None)
    await world.make_user("ada@example.com")
    assert (await watch.state())[:2] == (61, None), "it is good for a minute"
    clock.advance(60)
    assert (await watch.state())[:2] == (62, None)
    await world.db.execute("UPDATE audit_events SET action = 'x' WHERE position = 5")
    clock.advance(60)
    assert (await watch.state())[:2] == (62, None), "what was verified is not verified again yet"
    clock.advance(3600)
    assert (await watch.state())[:2] == (4, 5)
    assert admin


async def test_the_checks_are_those_of_doctor(world: World, admin: SignedIn) -> None:
    findings = {one["part"]: one for one in await read(world, admin, "/checks")}

    assert {"settings", "issuer", "database writes", "signing keys", "mail server"} <= set(findings)
    assert findings["signing keys"]["well"]
    assert not findings["limits"]["well"]


async def test_settings_tell_no_secret(world: World, admin: SignedIn) -> None:
    shown = {one["name"]: one for one in await read(world, admin, "/settings")}

    assert shown["secret_key"] == {
        "name": "secret_key",
        "variable": "KEYFOB_SECRET_KEY",
        "value": None,
        "default": None,
        "is_secret": True,
        "is_set": True,
    }
    assert (shown["limits"]["value"], shown["limits"]["default"]) == ("off", "on")
    assert (shown["docs"]["value"], shown["docs"]["is_set"]) == ("true", False)
    assert set(shown) == set(Settings.model_fields)


async def test_no_value_of_a_secret_is_in_what_is_shown(settings: Settings) -> None:
    planted = "s3cr3t-that-nobody-may-see"
    secrets = {
        name: SecretStr(f"{planted}-{name}")
        for name, field in Settings.model_fields.items()
        if "Secret" in str(field.annotation)
    }

    assert planted not in repr(shown_settings(settings.model_copy(update=secrets)))
    assert len(secrets) >= 5


async def test_the_signing_keys_are_listed_without_their_halves(
    world: World, admin: SignedIn
) -> None:
    keyring = world.wiring.services[Keyring]
    await keyring.prepare("ES256")
    await keyring.rotate()

    keys = await read(world, admin, "/signing-keys")

    assert [(key["signs"], key["algorithm"], key["state"]) for key in keys] == [
        ("access_tokens", "EdDSA", "active"),
        ("access_tokens", "EdDSA", "next"),
        ("id_tokens", "ES256", "active"),
        ("id_tokens", "ES256", "next"),
    ]
    assert all("private" not in name for key in keys for name in key)
    told = await world.db.fetch(
        "SELECT new_values FROM audit_events WHERE action = 'signing_key.rotated'"
    )
    assert [row["new_values"].get("signs") for row in told] == [None, "id_tokens"]


async def test_a_dead_letter_is_listed_retried_and_dropped(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    job = await bury(world, clock)
    path = f"/admin/outbox/{job}"
    listed = await world.api.get("/admin/outbox?failed=true", headers=admin.headers)
    (row,) = listed.json()
    assert {
        name: row[name] for name in ("id", "what", "to", "state", "attempts", "last_error")
    } == {
        "id": str(job),
        "what": "recover",
        "to": "a***@example.com",
        "state": "failed",
        "attempts": 3,
        "last_error": "refused: 550",
    }

    retried = await world.api.post(f"{path}/retry", headers=admin.headers)
    again = await world.api.post(f"{path}/retry", headers=admin.headers)
    waiting = await world.api.delete(path, headers=admin.headers)
    await world.db.execute("UPDATE outbox SET failed_at = $1", clock.now())
    dropped = await world.api.delete(path, headers=admin.headers)

    answers = (retried, again, waiting, dropped)
    assert [one.status_code for one in answers] == [204, 404, 404, 204]
    assert again.json()["code"] == "job_not_found"
    assert await world.db.fetchval("SELECT count(*) FROM outbox") == 0
    *_, first, second = await world.audit_log()
    assert [(one["action"], one["old_values"], one["new_values"]) for one in (first, second)] == [
        ("outbox.retried", {}, {"job_id": str(job)}),
        ("outbox.dropped", {"job_id": str(job), "what": "recover"}, {}),
    ]


async def test_a_letter_with_a_dead_link_stays_dead(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    job = await bury(world, clock, days=0)
    clock.advance(1)

    answer = await world.api.post(f"/admin/outbox/{job}/retry", headers=admin.headers)

    assert answer.status_code == 404
    assert (await world.audit_log())[-1]["action"] != "outbox.retried"


async def test_a_test_mail_goes_to_whoever_asks(
    world: World, admin: SignedIn, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails = settings.data_dir / "mails"
    well = await world.api.post("/admin/mail-test", headers=admin.headers)
    await eventually(lambda: list(mails.glob("*.eml")))
    (mail,) = mails.glob("*.eml")

    async def away(_: str) -> None:
        raise TryAgain("the server does not answer")

    monkeypatch.setattr(world.service(Delivery).carrier, "greet", away)
    unwell = await world.api.post("/admin/mail-test", headers=admin.headers)

    assert well.json()["well"]
    assert "Mails from Keyfob arrive" in mail.read_text()
    assert "To: root@example.com" in mail.read_text()
    assert unwell.json() == {"well": False, "says": "the server does not answer"}
    told = [row["new_values"] for row in await world.audit_log() if row["action"] == "mail.tested"]
    assert told == [{"well": True}, {"well": False}]


@pytest.mark.parametrize("path", ["", "/checks", "/settings", "/signing-keys"])
async def test_nobody_else_sees_it(world: World, path: str) -> None:
    await world.make_user("ada@example.com")
    signed_in = await world.log_in()

    answer = await world.api.get(f"/admin/service{path}", headers=signed_in.headers)

    assert answer.status_code == 403


async def test_a_reader_changes_nothing(world: World, admin: SignedIn) -> None:
    role = {"name": "watcher", "permissions": ["service:read"]}
    await world.api.post("/admin/roles", json=role, headers=admin.headers)
    ada = await world.make_user("ada@example.com")
    await world.db.execute("UPDATE users SET first_proven_at = created_at")
    body = {"role": "watcher"}
    await world.api.post(f"/admin/users/{ada}/roles", json=body, headers=admin.headers)
    watcher = await world.log_in()

    assert await read(world, watcher)
    for method, path in (
        ("POST", f"/admin/outbox/{UUID(int=1)}/retry"),
        ("DELETE", f"/admin/outbox/{UUID(int=1)}"),
        ("POST", "/admin/mail-test"),
    ):
        answer = await world.api.request(method, path, headers=watcher.headers)
        assert answer.status_code == 403, path
