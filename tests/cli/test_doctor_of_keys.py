"""`keyfob doctor` on secret and signing keys, and the chain of the audit log."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.cli.conftest import Run
from tests.cli.reports import report_of, unwell
from tests.fixtures.factors import add_totp
from tests.fixtures.world import World

from keyfob.core.clock import Clock
from keyfob.settings import Settings

Sql = Callable[..., list[Any]]
InWorld = Callable[..., Any]


def test_a_broken_audit_chain(doctor: Run, sql: Sql) -> None:
    sql('UPDATE audit_events SET new_values = \'{"role": "user"}\' WHERE position = 1')

    assert unwell(doctor("--json")) == {
        "audit chain": "broken at position 1; docs/runbook.md says what to do"
    }
    assert doctor().code == 1


def test_an_audit_chain_begun_anew_after_a_lost_key(
    doctor: Run, keyfob: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keyfob("audit", "begin-anew").refusal.startswith("the audit chain holds")
    monkeypatch.setenv("KEYFOB_SECRET_KEY", "a new secret key for the one that was lost")
    keyfob("keys", "rotate", "--compromised")
    assert "audit chain" in unwell(doctor("--json"))

    said = keyfob("audit", "begin-anew", "--json")

    assert said.json == {"position": 3, "broken_at": 1}
    keyfob("users", "create", "ada@example.com")
    report = doctor("--json")
    assert unwell(report) == {}
    (says,) = (one["says"] for one in report.json if one["part"] == "audit chain")
    assert re.fullmatch(
        r"2 events hold; begun anew at position 3 on \d{4}-\d\d-\d\d at \d\d:\d\d:\d\dZ, "
        "for it was broken at 1",
        says,
    )
    ((new,),) = sql("SELECT new_values FROM audit_events WHERE action = 'audit.begun_anew'")
    assert set(new) == {"broken_at", "sha256"}


def test_each_step_of_a_rotation_of_the_secret_key_is_told(
    doctor: Run, keyfob: Run, in_world: InWorld, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = settings.secret_keys[0], "a secret key that is to follow the present one"

    async def add_factor(world: World) -> None:
        await world.make_user("ada@example.com")
        await add_totp(world, await world.log_in("ada@example.com"), Clock())

    def told(*keys: str) -> str:
        monkeypatch.setenv("KEYFOB_SECRET_KEY", ",".join(keys))
        report = doctor("--json")
        assert unwell(report) == {}
        (says,) = (one["says"] for one in report.json if one["part"] == "secret keys")
        return str(says)

    in_world(add_factor)
    keyfob("mail", "list")
    assert told(old) == "there is one"
    assert told(old, new) == (
        "the first seals; key 2 has sealed nothing yet: put it first when every instance has it"
    )
    assert re.fullmatch(
        r"the first seals; key 2 still seals 1 signing keys, 1 authenticators, \d mails: run .*",
        told(new, old),
    )
    keyfob("keys", "rotate", "--reseal")
    assert "key 2 still seals 1 mails" in told(new, old)
    asyncio.run(_empty_outbox(settings.dsn))
    assert told(new, old) == (
        "the first seals; key 2 seals nothing any more: it may be dropped as docs/runbook.md says"
    )


def test_what_a_lost_secret_key_sealed_is_not_well(
    doctor: Run, keyfob: Run, in_world: InWorld, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def leave_mails(world: World) -> None:
        for email in ("ada@example.com", "bob@example.com"):
            await world.make_user(email)
            await add_totp(world, await world.log_in(email), Clock())

    in_world(leave_mails)
    # The key of one was lost even before.
    sql(
        "UPDATE factors SET secret = '\\x000000'::bytea || substring(secret FROM 4)"
        " WHERE user_id = (SELECT id FROM users WHERE email = 'bob@example.com')"
    )
    ((waiting,),) = sql("SELECT count(*) FROM outbox WHERE failed_at IS NULL")
    mails = f", {waiting} mails" if waiting else ""  # on a busy machine all were sent by now
    monkeypatch.setenv("KEYFOB_SECRET_KEY", "a key that this database never saw before")
    keyfob("keys", "rotate", "--compromised")
    keyfob("audit", "begin-anew")

    assert unwell(doctor("--json")) == {
        "secret keys": f"there is one; 2 authenticators{mails} are sealed by a key that "
        "is not in the list: put it back behind the comma, or reset the factors of "
        "ada@example.com, bob@example.com"
    }
    for email in ("ada@example.com", "bob@example.com"):
        keyfob("users", "reset-factors", email)
    sql("UPDATE outbox SET failed_at = now()")
    assert unwell(doctor("--json")) == {}


def test_secrets_of_programs_that_rest_on_an_old_secret_key_are_told(
    doctor: Run, keyfob: Run, in_world: InWorld, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = settings.secret_keys[0], "a secret key that is to follow the present one"

    async def make_key(world: World) -> None:
        await world.make_user("ada@example.com")
        ada = await world.log_in("ada@example.com")
        body = {"name": "Backup", "scope": ["account:read"]}
        made = await world.api.post("/me/api-keys", json=body, headers=ada.headers)
        assert made.status_code == 201

    def told(*keys: str) -> tuple[bool, str]:
        monkeypatch.setenv("KEYFOB_SECRET_KEY", ",".join(keys))
        report = {one["part"]: one for one in report_of(doctor("--json"))}
        return report["secret keys"]["well"], report["secret keys"]["says"]

    in_world(make_key)
    reports = keyfob("clients", "create", "Reports", "--json").json
    assert told(old) == (True, "there is one")
    is_well, says = told(new, old)
    assert is_well
    assert says.endswith(
        "; until their next use, 1 API keys, 1 client secrets rest on key 2, and are refused if it "
        "is dropped before (ada@example.com, Reports)"
    )

    is_well, says = told(new)

    assert not is_well
    assert says.endswith(
        "; 1 API keys, 1 client secrets are refused, for their key is not in the list: put it back "
        "behind the comma, or replace them (ada@example.com, Reports)"
    )
    monkeypatch.setenv("KEYFOB_SECRET_KEY", f"{new},{old}")
    keyfob("clients", "delete", reports["id"])
    assert "1 API keys are refused" in told(new)[1]


async def _empty_outbox(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("DELETE FROM outbox")
    await connection.close()


def test_audit_events_that_were_cut_off(doctor: Run, keyfob: Run, sql: Sql) -> None:
    for name in ("ada", "bob"):
        keyfob("users", "create", f"{name}@example.com")
    ((mac,),) = sql("SELECT encode(mac, 'hex') FROM audit_events WHERE position = 3")
    assert doctor("--audit-at-least", f"3:{mac}").code == 0
    assert doctor("--audit-at-least", "three").code == 2

    sql("DELETE FROM audit_events WHERE position = 3")

    assert unwell(doctor("--json", "--audit-at-least", "3")) == {
        "audit chain": "ends at position 2, before 3: the newest were cut off"
    }
    keyfob("users", "create", "eve@example.com")
    assert doctor("--audit-at-least", "3").code == 0
    assert unwell(doctor("--json", "--audit-at-least", f"3:{mac}")) == {
        "audit chain": "has another event at position 3: it was cut off before"
    }
    sql("TRUNCATE audit_events")
    assert doctor("--audit-at-least", "1").code == 1


def test_a_signing_key_that_cannot_be_opened(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor().code == 0
    monkeypatch.setenv("KEYFOB_SECRET_KEY", "a key that this database never saw before")

    found = unwell(doctor("--json"))

    assert found["signing keys"] == (
        "cannot be opened: sealed by a key that is not in KEYFOB_SECRET_KEY"
    )


def test_a_signing_key_that_was_changed(doctor: Run, sql: Sql) -> None:
    assert doctor().code == 0
    sql("UPDATE signing_keys SET private_key = private_key || '\\x00'::bytea")

    assert unwell(doctor("--json")) == {
        "signing keys": "cannot be opened: the sealed bytes were changed"
    }


def test_another_algorithm_than_the_one_that_is_set(
    doctor: Run, keyfob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyfob("keys", "rotate", "--compromised")
    monkeypatch.setenv("KEYFOB_SIGNING_ALGORITHM", "ES256")

    found = unwell(doctor("--json"))
    keyfob("keys", "rotate")
    report = {finding["part"]: finding for finding in doctor("--json").json}

    assert found.keys() == {"signing algorithm"}
    assert found["signing algorithm"] == (
        "EdDSA signs, KEYFOB_SIGNING_ALGORITHM is ES256: restart every instance with it, or run "
        "`keyfob keys rotate`"
    )
    assert report["signing algorithm"]["well"]
    assert re.fullmatch(
        r"EdDSA signs, ES256 from \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00",
        report["signing algorithm"]["says"],
    )


def test_another_algorithm_while_a_next_key_waits(
    doctor: Run, keyfob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyfob("keys", "rotate", "--compromised")
    keyfob("keys", "rotate")
    monkeypatch.setenv("KEYFOB_SIGNING_ALGORITHM", "ES256")

    found = unwell(doctor("--json"))

    assert found.keys() == {"signing algorithm"}
    assert re.fullmatch(
        r"EdDSA signs, KEYFOB_SIGNING_ALGORITHM is ES256: it waits until the next key signs, at "
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00; restart every instance with it, or run "
        r"`keyfob keys rotate`, which does not wait",
        found["signing algorithm"],
    )


def test_no_signing_key_left(doctor: Run, keyfob: Run, sql: Sql) -> None:
    assert doctor().code == 0
    sql("UPDATE signing_keys SET dropped_at = now()")

    assert unwell(doctor("--json")) == {
        "signing keys": "none signs; run `keyfob keys rotate --compromised`"
    }
    assert keyfob("keys", "rotate", "--compromised").code == 0
    assert doctor().code == 0


def test_a_secret_key_that_others_can_read(
    doctor: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: Sql
) -> None:
    sql("TRUNCATE audit_events, signing_keys")
    monkeypatch.delenv("KEYFOB_SECRET_KEY")
    monkeypatch.setenv("KEYFOB_MAKE_SECRET_KEY", "yes")
    key = tmp_path / ".keyfob" / "secret-key"
    key.parent.mkdir()
    key.touch(0o600)
    key.write_text("k" * 64)
    assert unwell(doctor("--json")) == {}

    (finding,) = [f for f in doctor("--json").json if f["part"] == "secret key"]
    assert finding["says"] == "in .keyfob/secret-key; back it up"

    key.chmod(0o640)
    assert unwell(doctor("--json")) == {"secret key": "is readable"}
