"""`keyfob migrate`, and the schema as a file."""

from pathlib import Path

import pytest
from tests.cli.conftest import Run

from keyfob.cli import schema
from keyfob.cli.refusal import Refused
from keyfob.migrations.head import HEAD, KNOWN

ROOT = Path(__file__).parents[2]


def test_migrate_brings_to_head_and_says_so(
    keyfob: Run, unmigrated_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", unmigrated_dsn)

    first, second = keyfob("migrate"), keyfob("migrate")

    assert (first.code, first.out, first.err) == (0, f"Migrated to {HEAD}.\n", "")
    assert (second.code, second.out, second.err) == (0, f"The schema is at {HEAD}.\n", "")


def test_it_goes_back_without_a_checkout(
    keyfob: Run, migrated_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", migrated_dsn)

    back = keyfob("migrate", "--down", "1")

    assert (back.code, back.out, back.err) == (0, "Went back by 1.\n", "")
    assert keyfob("migrate").out == f"Migrated to {HEAD}.\n"
    too_far = keyfob("migrate", "--down", "99", "--yes")
    assert (too_far.code, too_far.out) == (1, "")
    assert too_far.err.startswith("keyfob: the migration failed: ")


@pytest.mark.parametrize("steps", [len(KNOWN), len(KNOWN) + 9])
def test_it_does_not_go_back_to_nothing_unless_told_so(
    keyfob: Run, migrated_dsn: str, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", migrated_dsn)

    refused = keyfob("migrate", "--down", str(steps))

    assert refused.refusal == (
        f"the schema is at {HEAD}: {steps} back is before the first revision, and drops every "
        "account; if you mean that, say --yes"
    )
    assert keyfob("migrate").out == f"The schema is at {HEAD}.\n"


def test_it_goes_back_to_nothing_when_told_so(
    keyfob: Run, migrated_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_DATABASE_URL", migrated_dsn)
    steps = str(len(KNOWN))

    assert keyfob("migrate", "--down", steps, "--yes").out == f"Went back by {steps}.\n"
    assert keyfob("migrate").out == f"Migrated to {HEAD}.\n"


def test_the_schema_of_the_checkout_is_the_one_that_migrations_make(
    keyfob: Run, tmp_path: Path
) -> None:
    kept = (ROOT / "docs" / "schema.sql").read_text()
    copy = tmp_path / "schema.sql"

    said = keyfob("migrate", "--write-schema", str(copy))

    assert (said.code, said.out) == (0, f"Wrote {copy}.\n")
    assert copy.read_text() == kept


def test_a_drift_is_shown_and_refused(
    keyfob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = (ROOT / "docs" / "schema.sql").read_text()
    monkeypatch.setattr("keyfob.cli.schema.dump_fresh_schema", lambda: kept)
    drifted = tmp_path / "schema.sql"
    drifted.write_text(kept.replace("email_normal text NOT NULL", "email_normal text"))

    said = keyfob("migrate", "--check-schema", str(drifted))

    assert said.code == 1
    assert "\n-    email_normal text,\n+    email_normal text NOT NULL,\n" in said.out
    assert said.err == f"keyfob: {drifted} is not the schema at head; run `make schema`\n"
    assert keyfob("migrate", "--check-schema", str(ROOT / "docs" / "schema.sql")).code == 0
    assert keyfob("migrate", "--check-schema", str(tmp_path / "none")).code == 1


def test_a_place_that_cannot_be_written_is_refused(
    keyfob: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keyfob.cli.schema.dump_fresh_schema", lambda: "")

    said = keyfob("migrate", "--write-schema", str(tmp_path / "none" / "schema.sql"))

    assert said.refusal.endswith("schema.sql cannot be written: No such file or directory")


def test_a_dump_that_fails_is_refused() -> None:
    with pytest.raises(Refused, match=r"^pg_dump failed: .*127\.0\.0\.1.* refused"):
        schema.dump_schema("postgresql://keyfob@127.0.0.1:1/keyfob")
