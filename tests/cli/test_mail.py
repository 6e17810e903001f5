"""`keyfob mail`: mails that wait, and mails that could not be sent."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from tests.cli.conftest import Run
from tests.fixtures.clock import START
from tests.fixtures.world import World

from keyfob.core.secrets import new_id
from keyfob.mail.mails import FactorsReset, Invite
from keyfob.mail.models import Recipient
from keyfob.mail.service import Mail

Sql = Callable[..., list[Any]]
InWorld = Callable[..., Any]

NEW = "a secret key of the tests made a moment ago"


@pytest.fixture
def waiting(keyfob: Run, in_world: InWorld) -> None:
    """Two mails that are never sent."""

    async def write(world: World) -> None:
        await world.wiring.runner.stop()
        mail = world.service(Mail)
        async with world.db.begin() as tx:
            await mail.send(tx, Recipient("ada@example.com"), Invite(token="kfl_x"))
            await mail.send(tx, Recipient("bob@example.com"), FactorsReset())

    in_world(write)


def fail(sql: Sql) -> None:
    sql("UPDATE outbox SET failed_at = now(), attempts = 3, last_error = '550 no such box'")


@pytest.mark.usefixtures("waiting")
def test_the_list_tells_what_waits_without_whole_addresses(keyfob: Run) -> None:
    mails = {mail["to"]: mail for mail in keyfob("mail", "list", "--json").json}

    assert set(mails) == {"a***@example.com", "b***@example.com"}
    ada = mails["a***@example.com"]
    assert (ada["what"], ada["state"], ada["attempts"]) == ("invite", "waiting", 0)
    assert (ada["failed_at"], ada["last_error"]) == (None, None)
    assert ada["due_at"].endswith("Z")

    said = keyfob("mail", "list")
    assert said.out.splitlines()[0].split() == list(ada)
    assert "kfl_" not in said.out
    assert "ada@" not in said.out


def test_nothing_waits(keyfob: Run) -> None:
    assert keyfob("mail", "list").out == "None.\n"
    assert keyfob("mail", "list", "--failed", "--json").json == []


@pytest.mark.usefixtures("waiting")
def test_dead_letters_alone(keyfob: Run, sql: Sql) -> None:
    assert keyfob("mail", "list", "--failed", "--json").json == []
    fail(sql)

    mails = keyfob("mail", "list", "--failed", "--json").json

    assert [(mail["state"], mail["due_at"]) for mail in mails] == [("failed", None)] * 2
    assert {mail["last_error"] for mail in mails} == {"550 no such box"}


@pytest.mark.usefixtures("waiting")
def test_one_dead_letter_is_retried(keyfob: Run, sql: Sql) -> None:
    fail(sql)
    first, second = keyfob("mail", "list", "--json").json

    assert keyfob("mail", "retry", first["id"], "--json").json == {"retried": [first["id"]]}
    (left,) = keyfob("mail", "list", "--failed", "--json").json
    assert left["id"] == second["id"]
    told = (
        "SELECT actor_id, new_values->>'job_id' FROM audit_events WHERE action = 'outbox.retried'"
    )
    assert sql(told) == [(None, first["id"])]


@pytest.mark.usefixtures("waiting")
def test_all_dead_letters_are_retried(keyfob: Run, sql: Sql) -> None:
    fail(sql)

    said = keyfob("mail", "retry", "--all")

    sentence = "Retried 2 dead letters; a running service sends them at once."
    assert (said.code, said.out) == (0, f"{sentence}\n")
    assert sql("SELECT attempts, failed_at FROM outbox") == [(0, None)] * 2
    assert keyfob("mail", "retry", "--all").out == (
        f"{sentence.replace('2', '0')} 2 others wait: `keyfob mail list` says when they are tried"
        " again.\n"
    )


@pytest.mark.usefixtures("waiting")
def test_what_is_no_dead_letter_or_has_died_is_refused(keyfob: Run, sql: Sql) -> None:
    fail(sql)
    sql("UPDATE outbox SET expires_at = now() - interval '1 minute'")
    (mail, _), nobody = keyfob("mail", "list", "--json").json, str(new_id(START))

    said = keyfob("mail", "retry", mail["id"], nobody).refusal

    assert said == f"retried 0; no dead letters, or with dead links: {mail['id']}, {nobody}"


@pytest.mark.parametrize("arguments", [(), ("--all", str(UUID(int=7))), ("one",)], ids=str)
def test_wrong_usage(keyfob: Run, arguments: tuple[str, ...]) -> None:
    said = keyfob("mail", "retry", *arguments)

    assert (said.code, said.out) == (2, "")
    assert "Usage: keyfob mail retry" in said.err


@pytest.mark.usefixtures("waiting")
def test_what_another_secret_key_sealed_is_listed_all_the_same(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_SECRET_KEY", NEW)

    mails = keyfob("mail", "list", "--json").json

    assert [(mail["what"], mail["to"]) for mail in mails] == [("mail", None), ("notice", None)]


@pytest.mark.usefixtures("waiting")
def test_more_than_one_transaction_takes_are_all_retried(
    keyfob: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyfob.outbox.service.MOST_RETRIED", 1)
    monkeypatch.setattr("keyfob.administration.upkeep.MOST_RETRIED", 1)
    fail(sql)

    assert keyfob("mail", "retry", "--all").out.startswith("Retried 2 dead letters")
    assert not sql("SELECT id FROM outbox WHERE failed_at IS NOT NULL")
    assert len(sql("SELECT id FROM audit_events WHERE action = 'outbox.retried'")) == 2
