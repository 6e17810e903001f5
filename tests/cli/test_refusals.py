"""An error that stops a command is one line on standard error, never a traceback."""

import errno
import json
import signal
import socket
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.cli.conftest import Run

from keyfob import boot
from keyfob.cli import serve
from keyfob.core.stopping import ENDING
from keyfob.devdb.errors import DevDbError
from keyfob.devdb.server import EmbeddedPostgres
from keyfob.migrations.head import HEAD

COMMANDS = [
    ("serve", "--port", "0"),
    ("migrate",),
    ("users", "list"),
    ("users", "create", "ada@example.com"),
    ("keys", "list"),
    ("doctor",),
]
every_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@every_command
def test_a_wrong_setting(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("KEYFOB_LOG_LEVEL", "loud")

    assert keyfob(*command).refusal.startswith("KEYFOB_LOG_LEVEL: Input should be 'debug'")


@every_command
def test_no_key_for_a_database_of_ones_own(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.delenv("KEYFOB_SECRET_KEY")

    assert keyfob(*command).refusal.startswith("KEYFOB_SECRET_KEY: should be set when")


@every_command
def test_an_embedded_database_that_does_not_start(
    keyfob_alone: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    def start(_: EmbeddedPostgres) -> str:
        raise DevDbError("no room")

    monkeypatch.setattr(EmbeddedPostgres, "start", start)
    monkeypatch.setattr(EmbeddedPostgres, "exists", lambda _: True)
    Path(".keyfob").mkdir()
    Path(".keyfob", "secret-key").write_text("k" * 64)
    monkeypatch.setenv("KEYFOB_LOG_LEVEL", "error")

    said = keyfob_alone(*command)

    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines()[-1] == "keyfob: no room"
    assert "Traceback" not in said.err


@pytest.mark.parametrize("command", COMMANDS[:-1], ids=" ".join)
def test_a_database_that_is_away(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", "postgresql://keyfob:hunter2@127.0.0.1:1/keyfob")

    refusal = keyfob(*command).refusal

    assert refusal.startswith(
        "The database does not answer; try again soon (KEYFOB_DATABASE_URL names 127.0.0.1:1: "
    )
    assert "hunter2" not in refusal


@every_command
def test_a_database_that_there_is_not(
    keyfob: Run, dsn: str, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """Trying again would not help."""
    parts = urlsplit(dsn)
    monkeypatch.setenv("KEYFOB_DATABASE_URL", parts._replace(path="/no_such_one").geturl())
    (folder,) = parse_qs(parts.query)["host"]

    assert keyfob(*command).refusal == (
        f'KEYFOB_DATABASE_URL: PostgreSQL at {folder} says: database "no_such_one" does not exist'
    )


@pytest.mark.parametrize("command", COMMANDS[2:-1], ids=" ".join)
def test_a_database_that_is_not_migrated(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch, unmigrated_dsn: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", unmigrated_dsn)

    assert keyfob(*command).refusal == "the database is not migrated; run `keyfob migrate`"


def test_serve_where_migrations_are_done_by_hand(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch, unmigrated_dsn: str
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", unmigrated_dsn)
    monkeypatch.setenv("KEYFOB_MIGRATE_ON_START", "off")

    said = keyfob("serve", "--port", "0")

    assert said.refusal == "the database is not migrated; run `keyfob migrate`"


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("migrate",)], ids=" ".join)
def test_a_migration_that_fails(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch, unmigrated_dsn: str, command: tuple[str, ...]
) -> None:
    def fail(*_: Any) -> None:
        raise boot.CannotMigrate("the migration failed: permission denied for schema public")

    monkeypatch.setattr(boot, "migrate", fail)
    monkeypatch.setenv("KEYFOB_DATABASE_URL", unmigrated_dsn)

    said = keyfob(*command)

    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines()[-1].endswith("permission denied for schema public")
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ADMIN_PASSWORD", "password", "KEYFOB_ADMIN_PASSWORD: This password is among those"),
        ("ADMIN_EMAIL", "nobody", "KEYFOB_ADMIN_EMAIL: should be an e-mail address"),
        ("LIMIT_STORE", "http://cache", "KEYFOB_LIMIT_STORE: should be a redis://"),
        (
            "LIMIT_STORE",
            "rediss://h/0?ssl_cert_reqs=bogus",
            "KEYFOB_LIMIT_STORE: should be a redis",
        ),
        ("LIMIT_STORE", "redis://h/0?protocol=9", "KEYFOB_LIMIT_STORE: should be a redis://"),
        ("WEBAUTHN_RP_ID", "192.0.2.7", "KEYFOB_WEBAUTHN_RP_ID: should be a domain like"),
        ("WEBAUTHN_RP_ID", "example.com", "KEYFOB_WEBAUTHN_RP_ID: should be the host of every"),
        ("WEBAUTHN_ORIGINS", "example.com", "KEYFOB_WEBAUTHN_ORIGINS: should be origins like"),
    ],
)
def test_serve_with_what_only_the_start_can_check(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"KEYFOB_{name}", value)

    assert keyfob("serve", "--port", "0").refusal.startswith(says)


def test_serve_on_a_port_that_is_taken(keyfob: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = keyfob("serve", "--port", str(port))

    assert said.refusal == f"port {port} is taken; choose another with --port or KEYFOB_PORT"


def test_serve_at_an_address_of_another_machine(keyfob: Run) -> None:
    said = keyfob("serve", "--host", "203.0.113.1")

    assert said.refusal == "203.0.113.1 is not an address of this machine"


def test_serve_with_options_that_the_shell_has_to_explain(keyfob: Run) -> None:
    assert keyfob("serve", "--host=203.0.113.1").refusal.startswith("203.0.113.1 is not an address")


@pytest.mark.parametrize("number", ENDING)
def test_a_stop_during_the_start(keyfob: Run, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def stopped(*_: Any) -> None:
        signal.raise_signal(number)

    monkeypatch.setattr(serve, "open_listeners", stopped)

    said = keyfob("serve", "--port", "0")

    assert (said.code, said.out, said.err) == (0, "", "")


def test_a_data_folder_that_cannot_be_written(
    keyfob_alone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KEYFOB_DATA_DIR", str(tmp_path / "file" / "data"))

    refusal = keyfob_alone("serve", "--port", "0").refusal

    assert refusal.startswith("KEYFOB_DATA_DIR: ")
    assert refusal.endswith("Not a directory")


def test_a_full_disk(keyfob_alone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    said = keyfob_alone("serve", "--port", "0")

    assert said.refusal.endswith("secret-key: No space left on device")
    assert list(Path(".keyfob").iterdir()) == []


def test_json_is_the_only_thing_on_standard_output(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_LOG_LEVEL", "debug")
    monkeypatch.setenv("KEYFOB_LOG_FORMAT", "json")

    said = keyfob("users", "create", "ada@example.com", "--json")

    assert list(json.loads(said.out)) == ["id", "email", "role", "password"]


def test_a_start_logs_that_it_migrates(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch, unmigrated_dsn: str
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", unmigrated_dsn)
    monkeypatch.setenv("KEYFOB_ADMIN_EMAIL", "nobody")  # stops it when that is done

    said = keyfob("serve", "--port", "0")

    events = [json.loads(line) for line in said.err.splitlines()[:-1]]
    assert [(event["event"], event["to"]) for event in events] == [
        ("migrating", HEAD),
        ("migrated", HEAD),
    ]
