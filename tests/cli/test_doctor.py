"""`keyfob doctor`: each way of not being well is seen and named."""

import asyncio
import json
import re
import socketserver
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from bench.harness.servers import free_port
from tests.cli.conftest import Outcome, Run
from tests.fixtures.factors import add_totp
from tests.fixtures.postgres import migrate
from tests.fixtures.world import World

from keyfob.core.authority import Role
from keyfob.core.clock import Clock
from keyfob.core.feed import Feed
from keyfob.settings import Settings

Sql = Callable[..., list[Any]]
InWorld = Callable[..., Any]


@pytest.fixture
def doctor(keyfob: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A place where everything is well."""
    keyfob("users", "create", "root@example.com", "--role", "admin")
    monkeypatch.setenv("KEYFOB_BCRYPT_COST", "12")

    def run(*options: str) -> Outcome:
        return keyfob("doctor", *options)

    return run


def unwell(said: Outcome) -> dict[str, str]:
    """Return what a JSON report calls not well; its exit code says the same."""
    report = {finding["part"]: finding for finding in _report(said)}
    found = {part: finding["says"] for part, finding in report.items() if not finding["well"]}
    assert said.code == (1 if found else 0)
    assert "Traceback" not in said.err
    return found


def _report(said: Outcome) -> Any:
    return Outcome(0, said.out, said.err).json


def test_all_is_well(doctor: Run) -> None:
    said = doctor("--json")

    assert unwell(said) == {}
    assert [finding["part"] for finding in said.json] == [
        "settings",
        "limits",
        "bcrypt cost",
        "issuer",
        "database",
        "schema",
        "database writes",
        "workers",
        "signing keys",
        "signing algorithm",
        "secret keys",
        "audit chain",
        "unproven roles",
        "unproven factors",
        "password hashes",
        "mail templates",
        "mail server",
    ]
    assert [finding["says"] for finding in said.json[-6:]] == [
        "1 events hold",
        "none above user",
        "none with factors",
        "can all be checked",
        "in en, ru",
        "KEYFOB_SMTP_URL is not set: mails are only kept",
    ]


def test_whom_the_first_proof_concerns(doctor: Run, in_world: InWorld, sql: Sql) -> None:
    """As an older release has left them."""

    async def story(world: World) -> None:
        await world.make_user("ada@example.com")
        await add_totp(world, await world.log_in(), Clock())
        await world.make_user("bob@example.com", role=Role.MODERATOR)

    in_world(story)
    sql(
        "UPDATE users SET first_proven_at = NULL, registered_itself = true"
        " WHERE email NOT LIKE 'root%'"
    )

    said = doctor("--json")

    assert unwell(said) == {
        "unproven roles": "1 unproven (bob@example.com) above user: have the address proven, or"
        " vouch with `keyfob users mark-verified`"
    }
    report = {finding["part"]: finding["says"] for finding in _report(said)}
    assert report["unproven factors"] == (
        "1 unproven (ada@example.com) with factors, which the first proof by recovery ends"
    )


def test_people_get_a_table(doctor: Run) -> None:
    said = doctor()

    assert said.code == 0
    head, first, *_ = said.out.splitlines()
    assert head.split() == ["part", "well", "says"]
    assert first.split() == ["settings", "yes", "readable"]
    assert said.err == ""


@pytest.mark.parametrize(
    "stored",
    [
        "an MD5 that somebody imported",
        "$2b$16$CCCCCCCCCCCCCCCCCCCCC.RxQFrDThFSg2wSw6eY0Hab8HDplhAyy",
    ],
    ids=["unknown", "far too dear"],
)
def test_a_password_hash_that_is_never_computed(doctor: Run, sql: Sql, stored: str) -> None:
    sql(f"UPDATE users SET password_hash = '{stored}'")

    assert unwell(doctor("--json")) == {
        "password hashes": "of no known form, or far dearer than KEYFOB_BCRYPT_COST asks for: 1"
        " (root@example.com); invite or recover these accounts"
    }


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
    monkeypatch.setenv("KEYFOB_SECRET_KEY", "a key that this database never saw before")
    keyfob("keys", "rotate", "--compromised")
    keyfob("audit", "begin-anew")

    assert unwell(doctor("--json")) == {
        "secret keys": f"there is one; 2 authenticators, {waiting} mails are sealed by a key that "
        "is not in the list: put it back behind the comma, or reset the factors of "
        "ada@example.com, bob@example.com"
    }
    for email in ("ada@example.com", "bob@example.com"):
        keyfob("users", "reset-factors", email)
    sql("UPDATE outbox SET failed_at = now()")
    assert unwell(doctor("--json")) == {}


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


def test_no_signing_key_left(doctor: Run, keyfob: Run, sql: Sql) -> None:
    assert doctor().code == 0
    sql("UPDATE signing_keys SET dropped_at = now()")

    assert unwell(doctor("--json")) == {
        "signing keys": "none signs; run `keyfob keys rotate --compromised`"
    }
    assert keyfob("keys", "rotate", "--compromised").code == 0
    assert doctor().code == 0


def test_a_schema_that_is_behind(
    doctor: Run, unmigrated_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", unmigrated_dsn)

    assert unwell(doctor("--json")) == {"schema": "behind; run `keyfob migrate`"}

    migrate(unmigrated_dsn)
    assert unwell(doctor("--json")) == {}


def test_a_database_that_is_away(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", "postgresql://keyfob:hunter2@127.0.0.1:1/keyfob")

    said = doctor("--json")

    found = unwell(said)
    assert list(found) == ["database"]
    assert found["database"].startswith("does not answer: ConnectionRefusedError")
    assert "hunter2" not in said.out + said.err


def test_settings_that_are_for_tests_only(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_LIMITS", "off")
    monkeypatch.setenv("KEYFOB_BCRYPT_COST", "4")

    assert unwell(doctor("--json")) == {"limits": "KEYFOB_LIMITS is off", "bcrypt cost": "is 4"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("KEYFOB_HOST", "0.0.0.0"), ("KEYFOB_HOST", "::"), ("KEYFOB_TRUSTED_PROXIES", "10.0.0.0/8")],
)
def test_an_issuer_that_only_this_machine_knows(
    doctor: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("KEYFOB_HOST", "::1")
    assert unwell(doctor("--json")) == {}

    monkeypatch.setenv(name, value)
    assert unwell(doctor("--json")) == {
        "issuer": "is http://localhost:8000/auth; set KEYFOB_ISSUER, others call it"
    }

    monkeypatch.setenv("KEYFOB_ISSUER", "https://login.example.com/auth")
    assert list(unwell(doctor("--json"))) == ["mail server"]


def test_an_issuer_that_several_instances_make_up(
    doctor: Run, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_WORKERS", "2")

    async def beside(listeners: int) -> dict[str, str]:
        async with AsyncExitStack() as running:
            for _ in range(listeners):
                feed = Feed(dsn, timeout=5)
                await feed.start()
                running.push_async_callback(feed.stop)
            return unwell(await asyncio.to_thread(doctor, "--json"))

    assert asyncio.run(beside(2)) == {}
    assert asyncio.run(beside(3)) == {
        "workers": "3 listen to this database; set KEYFOB_ISSUER, the same for all instances"
    }
    monkeypatch.setenv("KEYFOB_ISSUER", "https://login.example.com/auth")
    assert list(asyncio.run(beside(3))) == ["mail server"]


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


def test_settings_that_are_wrong_are_one_line(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_LIMIT_STORE", "http://u:hunter2@cache")

    assert doctor().refusal == (
        "KEYFOB_LIMIT_STORE: should be a redis:// or valkey:// URL, with rediss:// for TLS"
    )


class RefusesPasswords(socketserver.BaseRequestHandler):
    """A PostgreSQL that lets nobody in: its ErrorResponse to whatever is said first."""

    def handle(self) -> None:
        self.request.recv(4096)
        says = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "keyfob"\0\0'
        self.request.sendall(b"E" + (len(says) + 4).to_bytes(4, "big") + says)


def test_a_wrong_password_for_the_database_is_told_as_such(
    doctor: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), RefusesPasswords) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"postgresql://keyfob:hunter2@127.0.0.1:{server.server_address[1]}/keyfob"
        monkeypatch.setenv("KEYFOB_DATABASE_URL", f"{url}?sslmode=disable")
        said = doctor("--json")
        server.shutdown()

    assert "password authentication failed" in unwell(said)["database"]
    assert "hunter2" not in said.out + said.err


def test_a_template_that_cannot_be_used(
    doctor: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mails of ours" / "ru").mkdir(parents=True)
    template = tmp_path / "mails of ours" / "ru" / "recover.txt"
    monkeypatch.setenv("KEYFOB_MAIL_TEMPLATES", str(tmp_path / "mails of ours"))
    template.write_text("Subject: Hello\n\n{{ nobody }}\n")

    assert unwell(doctor("--json")) == {
        "mail templates": "ru/recover.txt: UndefinedError: 'nobody' is undefined;"
        " ours is used instead"
    }

    template.write_text("Subject: Hello\n\n{{ link }}\n\n{{ token }}\n")
    assert unwell(doctor("--json")) == {}


def test_a_mail_server_that_does_not_answer(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_SMTP_URL", "smtp://mailer:hunter2@127.0.0.1:1")

    said = doctor("--json")

    found = unwell(said)
    assert found["mail server"].startswith("no mail leaves: Error connecting to 127.0.0.1")
    assert "hunter2" not in said.out + said.err


def test_a_mail_server_that_answers(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Controller(Sink(), hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        monkeypatch.setenv("KEYFOB_SMTP_URL", f"smtp://127.0.0.1:{server.port}")
        assert doctor("--json").json[-1]["says"] == "takes our sender"
    finally:
        server.stop()


class Guarded(Sink):
    """Takes no mail from whoever has not signed in."""

    async def handle_MAIL(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
        return "530 5.7.0 Authentication required"


def test_a_mail_server_that_takes_no_sender(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Controller(Guarded(), hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        monkeypatch.setenv("KEYFOB_SMTP_URL", f"smtp://127.0.0.1:{server.port}")
        assert unwell(doctor("--json")) == {
            "mail server": "no mail leaves: MAIL FROM: 530 5.7.0 Authentication required"
        }
    finally:
        server.stop()


def test_links_of_recovery_in_the_log_of_a_service_for_others(
    doctor: Run, keyfob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_PUBLIC_URL", "http://[::1]:8000/auth")
    assert unwell(doctor("--json")) == {}

    monkeypatch.setenv("KEYFOB_PUBLIC_URL", "https://login.example.com/auth")
    why = (
        "KEYFOB_SMTP_URL is not set: no mail leaves, and whoever reads the log can follow the links"
        " of recovery in it"
    )
    assert unwell(doctor("--json")) == {"mail server": why}
    assert [line["why"] for line in warned(keyfob, "mail_exposed")] == [why]


def warned(keyfob: Run, event: str) -> list[dict[str, str]]:
    """Return what the start says; it ends at an address that is not this machine's."""
    said = keyfob("serve", "--host", "203.0.113.1").err.splitlines()
    return [json.loads(line) for line in said if event in line]


@pytest.mark.parametrize("host", ["relay.example.com", "10.0.0.7"])
def test_a_password_that_goes_in_the_clear(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("KEYFOB_SMTP_URL", f"smtp://mailer:hunter2@{host}")
    (told,) = warned(keyfob, "mail_exposed")
    assert told["why"].startswith("KEYFOB_SMTP_URL: user and password go to the mail server in the")
    assert "hunter2" not in str(told)

    for well in (f"smtp://{host}", f"smtps://u:p@{host}", f"smtp://u:p@{host}?starttls=1"):
        monkeypatch.setenv("KEYFOB_SMTP_URL", well)
        assert warned(keyfob, "mail_exposed") == []


def test_a_database_that_takes_no_writes(
    doctor: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{settings.dsn}&default_transaction_read_only=on"
    monkeypatch.setenv("KEYFOB_DATABASE_URL", url)

    found = unwell(doctor("--json"))

    assert "in a read-only transaction" in found.get("database writes", "it is well")


def test_a_limit_store_that_is_away(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_LIMIT_STORE", f"redis://:hunter2@127.0.0.1:{free_port()}/0")

    said = doctor("--json")

    found = unwell(said)
    assert list(found) == ["limit store"]
    assert "The limit store does not answer: Error" in found["limit store"]
    assert "hunter2" not in said.out + said.err
