"""Database URLs as providers hand them out: they work, or a line says why not (issue 10: 1.4)."""

import json
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from tests.cli.conftest import Run

from keyfob.settings import Settings

COMMANDS = [("serve", "--port", "0"), ("migrate",), ("users", "list"), ("doctor",)]


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No certificates of somebody who runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    "parameters",
    [
        "sslmode=require&channel_binding=require",
        "connect_timeout=10&keepalives=1&keepalives_idle=30&tcp_user_timeout=1000",
        "gssencmode=prefer",
        "pgbouncer=true&connection_limit=1",
        "ssl=true",
        "statement_timeout=4000",
    ],
)
def test_parameters_that_providers_add(
    keyfob: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch, parameters: str
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", f"{settings.dsn}&{parameters}")

    said = keyfob("users", "list", "--json")

    assert (said.code, said.out) == (0, "[]\n")


def test_what_is_ignored_is_told_at_the_start_and_by_the_doctor(
    keyfob: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", f"{settings.dsn}&connect_timeout=10")
    why = "KEYFOB_DATABASE_URL: connect_timeout is ignored: KEYFOB_DATABASE_ACQUIRE_TIMEOUT and"

    said = keyfob("serve", "--host", "203.0.113.1")
    (told,) = [json.loads(line) for line in said.err.splitlines() if "setting_ignored" in line]
    assert told["why"].startswith(why)

    findings = json.loads(keyfob("doctor", "--json").out)
    assert findings[0]["part"] == "settings"
    assert findings[0]["says"].startswith(f"readable; {why}")


def test_the_ways_to_write_a_unix_socket(
    keyfob: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = urlsplit(settings.dsn)
    folder, user = parse_qs(parts.query)["host"][0], parts.username
    for url in (
        f"postgres://{user}@{quote(folder, safe='')}{parts.path}",
        f"postgresql://{parts.path}?host={quote(folder)}&user={user}",
        f"postgresql://{user}@{parts.path}?host={quote(folder, safe='')}&port=5432",
    ):
        monkeypatch.setenv("KEYFOB_DATABASE_URL", url)
        assert keyfob("users", "list").code == 0, url


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ("sslmode=verify-full", "/.postgresql/root.crt"),
        ("sslrootcert=/none.pem&sslmode=verify-ca", "sslrootcert cannot be read: No such file"),
        ("sslmode=require&sslcert=/none.pem", "sslcert cannot be read: No such file"),
        ("target_session_attrs=whichever", "target_session_attrs"),
        ("currentschema=keyfob", 'unrecognized configuration parameter "currentschema"'),
        ("statement_timeout=soon", 'invalid value for parameter "statement_timeout"'),
        ("options=-c%20timezone%3DTopSecretTail", 'invalid value for parameter "TimeZone"'),
        ("password=98&TopSecretTail=1", "PostgreSQL refuses what it asks for"),
        ("host=foo..bar", "a host, a port or a file that it names cannot be used"),
        ("host=a%00b", "a host, a port or a file that it names cannot be used"),
    ],
)
def test_what_cannot_be_had_is_one_line(
    keyfob: Run,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    parameters: str,
    says: str,
) -> None:
    url = f"{settings.dsn}&{parameters}"
    if "ssl" in parameters:  # a socket needs none
        url = f"postgresql://keyfob@127.0.0.1:1/keyfob?{parameters}"
    monkeypatch.setenv("KEYFOB_DATABASE_URL", url)

    refusal = keyfob(*command).refusal

    assert refusal.startswith("KEYFOB_DATABASE_URL: ")
    assert says in refusal
    assert "TopSecretTail" not in refusal


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_piece_of_a_password_is_printed(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", "postgresql://kf:98?TopSecretTail@h/kf")

    refusal = keyfob(*command).refusal

    assert refusal.startswith("KEYFOB_DATABASE_URL: should have / ? # @ and spaces")
    assert "TopSecretTail" not in refusal


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("doctor",)], ids=" ".join)
def test_a_direct_url_of_another_database_is_refused(
    keyfob: Run,
    settings: Settings,
    unmigrated_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    """Its instances would hear of no revocation, and migrate what they do not use."""
    monkeypatch.setenv("KEYFOB_DATABASE_URL", settings.dsn)
    monkeypatch.setenv("KEYFOB_DATABASE_DIRECT_URL", unmigrated_dsn)

    refusal = keyfob(*command).refusal

    assert refusal.startswith("KEYFOB_DATABASE_DIRECT_URL: should lead to the same database")


def test_a_direct_url_that_asks_for_what_cannot_be_had_is_named(
    keyfob: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", settings.dsn)
    monkeypatch.setenv("KEYFOB_DATABASE_DIRECT_URL", f"{settings.dsn}&statement_timeout=soon")

    assert keyfob("doctor").refusal.startswith("KEYFOB_DATABASE_DIRECT_URL: invalid value for")


def test_a_direct_url_to_the_same_database_is_well(
    keyfob: Run, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", settings.dsn)
    monkeypatch.setenv("KEYFOB_DATABASE_DIRECT_URL", settings.dsn)

    findings = json.loads(keyfob("doctor", "--json").out)

    assert {finding["part"]: finding["well"] for finding in findings}["database"]
