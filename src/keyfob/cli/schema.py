"""`keyfob migrate`, and the schema as a file for reviewers."""

import asyncio
import difflib
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from keyfob import boot
from keyfob.cli.context import read_settings, refusals
from keyfob.cli.refusal import Refused
from keyfob.core.telemetry import configure_logging
from keyfob.devdb.programs import Account, Programs
from keyfob.devdb.server import EmbeddedPostgres
from keyfob.migrations.head import HEAD
from keyfob.settings import Settings

_HEADER = "-- The schema at head, written by `make schema`. Do not edit: write a migration.\n\n"


def migrate(
    down: Annotated[
        int | None,
        typer.Option(min=1, help="Downgrade by so many revisions instead; their data is lost."),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Allow a downgrade past the first revision, which deletes all accounts."
        ),
    ] = False,
    write_schema: Annotated[
        Path | None, typer.Option(help="Write the schema at head into this file instead.")
    ] = None,
    check_schema: Annotated[
        Path | None, typer.Option(help="Fail if this file is not the schema at head.")
    ] = None,
) -> None:
    """Migrate the database to the newest schema.

    `alembic upgrade head`, `alembic downgrade -1` and `alembic revision -m "..."` work too, from
    the folder that has alembic.ini.

    Examples:

        keyfob migrate

        keyfob migrate --down 1

        keyfob migrate --check-schema docs/schema.sql
    """
    settings = read_settings()
    configure_logging("warning", settings.log_format)
    if write_schema or check_schema:
        with refusals():
            _compare(dump_fresh_schema(), write_schema, check_schema)
        return
    with refusals(), boot.complete(settings) as complete:
        if down:
            if not yes:
                _see_that_accounts_are_left(asyncio.run(boot.schema_revision(complete)), down)
            boot.migrate(complete, f"-{down}")
            typer.echo(f"Went back by {down}.")
            return
        current = asyncio.run(boot.schema_is_current(complete))
        if not current:
            boot.migrate(complete)
    typer.echo(f"The schema is at {HEAD}." if current else f"Migrated to {HEAD}.")


def _see_that_accounts_are_left(revision: str | None, down: int) -> None:
    """Check that so many steps back from a revision end at another revision.

    Raises:
        Refused: they would go back past the first one.
    """
    if revision is not None and revision.isdecimal() and int(revision) <= down:
        raise Refused(
            f"the schema is at {revision}: {down} back is before the first revision, and drops "
            "every account; if you mean that, say --yes"
        )


def _compare(schema: str, write: Path | None, check: Path | None) -> None:
    if write:
        try:
            write.write_text(schema, encoding="utf-8")
        except OSError as fault:
            raise Refused(f"{write} cannot be written: {fault.strerror}") from None
        typer.echo(f"Wrote {write}.")
    if check:
        kept = check.read_text(encoding="utf-8") if check.exists() else ""
        if kept != schema:
            lines = difflib.unified_diff(kept.splitlines(), schema.splitlines(), lineterm="", n=1)
            typer.echo("\n".join(lines))
            raise Refused(f"{check} is not the schema at head; run `make schema`")


def dump_fresh_schema() -> str:
    """Migrate an empty, temporary PostgreSQL and return its schema, in a stable form."""
    with tempfile.TemporaryDirectory(prefix="keyfob-schema-") as folder:
        server = EmbeddedPostgres(Path(folder) / "data", {"fsync": "off"})
        dsn = server.start()
        try:
            boot.migrate(Settings(database_url=dsn, secret_key="x" * 32))
            return _tidy(dump_schema(dsn))
        finally:
            server.stop()


def dump_schema(dsn: str) -> str:
    """Return the schema of a database as pg_dump writes it.

    Raises:
        Refused: pg_dump failed.
    """
    programs = Programs.for_account(Account(os.getuid(), os.getgid(), borrowed=False))
    done = subprocess.run(  # noqa: S603 - our own program, no shell
        [
            str(programs.folder / "pg_dump"),
            "--schema-only",
            "--no-owner",
            "--no-privileges",
            "--no-comments",
            dsn,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Refused(f"pg_dump failed: {done.stderr.strip()}")
    return done.stdout


def _tidy(dump: str) -> str:
    """Return the schema itself, without lines that vary from run to run or have no meaning."""
    kept = [
        line
        for line in dump.splitlines()
        if line and not line.startswith(("--", "SET ", "SELECT pg_catalog.set_config", "\\"))
    ]
    text = "\n".join(kept)
    text = re.sub(r"\n(?=(?:CREATE|ALTER) )", "\n\n", text)
    return _HEADER + text + "\n"
