"""`keyfob doctor`: each kind of problem is found and named."""

import asyncio
import socketserver
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from bench.harness.cluster import free_port
from tests.cli.conftest import Run
from tests.cli.reports import report_of, unwell
from tests.fixtures.factors import add_totp
from tests.fixtures.postgres import migrate
from tests.fixtures.programs import ORDERS, give_role, make_resource
from tests.fixtures.world import World

from keyfob.authority.models import Role
from keyfob.core.clock import Clock
from keyfob.core.feed import Feed
from keyfob.settings import Settings

Sql = Callable[..., list[Any]]
InWorld = Callable[..., Any]


def test_all_is_well(doctor: Run) -> None:
    said = doctor("--json")

    assert unwell(said) == {}
    assert [finding["part"] for finding in said.json] == [
        "settings",
        "limits",
        "bcrypt cost",
        "issuer",
        "pages",
        "database",
        "schema",
        "database writes",
        "workers",
        "signing keys",
        "signing algorithm",
        "unproven roles",
        "unproven factors",
        "mail templates",
        "mail server",
        "secret keys",
        "audit chain",
        "password hashes",
    ]
    assert [finding["says"] for finding in said.json[-7:]] == [
        "none above user",
        "none with factors",
        "in en, ru",
        "KEYFOB_SMTP_URL is not set: mails are only kept",
        "there is one",
        "1 events hold",
        "can all be checked",
    ]


def test_whom_the_first_proof_concerns(doctor: Run, in_world: InWorld, sql: Sql) -> None:
    """As an older release has left them."""

    async def story(world: World) -> None:
        await world.make_user("ada@example.com")
        await add_totp(world, await world.log_in(), Clock())
        await world.make_user("bob@example.com", role=Role.MODERATOR)
        await world.make_user("cat@example.com")
        await give_role(world, await world.log_in("cat@example.com"))

    in_world(story)
    sql(
        "UPDATE users SET first_proven_at = NULL, registered_itself = true"
        " WHERE email NOT LIKE 'root%'"
    )

    said = doctor("--json")

    assert unwell(said) == {
        "unproven roles": "2 unproven (bob@example.com, cat@example.com) above user: have the"
        " address proven, or vouch with `keyfob users mark-verified`"
    }
    report = {finding["part"]: finding["says"] for finding in report_of(said)}
    assert report["unproven factors"] == (
        "1 unproven (ada@example.com) with factors, which the first proof by recovery ends"
    )


def test_who_is_signed_in_without_a_proof_is_named_before_it_ends(
    doctor: Run, in_world: InWorld, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World) -> None:
        await world.make_user("ada@example.com")
        await world.log_in("ada@example.com")

    in_world(story)
    sql("UPDATE users SET email_verified_at = NULL WHERE email = 'ada@example.com'")
    monkeypatch.setenv("KEYFOB_VERIFY_EMAIL", "required")

    said = doctor("--json")

    report = {finding["part"]: finding["says"] for finding in report_of(said)}
    assert report["unverified sessions"] == (
        "1 unproven (ada@example.com) signed in, and signed out at the next start"
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


def test_settings_that_are_wrong_are_one_line(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_LIMIT_STORE", "http://u:hunter2@cache")

    assert doctor().refusal == (
        "KEYFOB_LIMIT_STORE: should be a redis:// or valkey:// URL, with rediss:// for TLS"
    )


class RefusesPasswords(socketserver.BaseRequestHandler):
    """A PostgreSQL that answers every first message with an ErrorResponse."""

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
        refusal = doctor("--json").refusal
        server.shutdown()

    assert refusal == (
        f"KEYFOB_DATABASE_URL: PostgreSQL at 127.0.0.1:{server.server_address[1]} says: password "
        'authentication failed for user "keyfob"'
    )


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


def test_a_resource_that_names_our_own_api_is_named(
    doctor: Run, in_world: InWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_world(make_resource)
    monkeypatch.setenv("KEYFOB_AUDIENCE", ORDERS)

    said = doctor("--json")

    assert unwell(said) == {
        "resources": f"{ORDERS} is KEYFOB_AUDIENCE or KEYFOB_ISSUER; remove it: no token is for it"
    }
