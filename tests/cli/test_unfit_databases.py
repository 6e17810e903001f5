"""A database that Keyfob cannot work with is refused at the start, with the line that says why.

Issue 10: 1.4 (encoding, rights, extension) and 2.4 (an unknown schema, an old PgBouncer).
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest
from tests.cli.conftest import Run
from tests.fixtures.pgbouncer import find_program, knows_prepared_statements, pgbouncer_before
from tests.fixtures.postgres import dsn_of

from keyfob.migrations.head import HEAD

Sql = Callable[..., list[Any]]

SERVE, MIGRATE = ("serve", "--port", "0"), ("migrate",)
COMMANDS = [SERVE, MIGRATE, ("users", "list"), ("doctor",)]


def as_superuser(server: str, database: str, *statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(dsn_of(server, database), user="postgres")
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


@pytest.fixture
def database(postgres: str, worker_id: str) -> Iterator[Callable[[str], str]]:
    """Make an empty database with these words behind CREATE DATABASE; gives its URL."""
    name = f"unfit_{worker_id}"

    def make(how: str) -> str:
        drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
        as_superuser(postgres, "postgres", drop, f"CREATE DATABASE {name} {how}")
        return dsn_of(postgres, name)

    yield make
    as_superuser(postgres, "postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def poor(postgres: str, worker_id: str) -> str:
    """A role that owns nothing."""
    role = f"poor_{worker_id}"
    as_superuser(postgres, "postgres", f"DROP ROLE IF EXISTS {role}", f"CREATE ROLE {role} LOGIN")
    return role


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_database_that_is_not_utf8(
    keyfob: Run,
    database: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    encoding: str,
) -> None:
    how = f"OWNER keyfob TEMPLATE template0 ENCODING {encoding} LOCALE 'C' LOCALE_PROVIDER libc"
    monkeypatch.setenv("KEYFOB_DATABASE_URL", database(how))

    assert keyfob(*command).refusal == (
        f"KEYFOB_DATABASE_URL: the database is in {encoding} and should be in UTF8: "
        "CREATE DATABASE keyfob TEMPLATE template0 ENCODING 'UTF8'"
    )


@pytest.mark.parametrize("command", [SERVE, MIGRATE], ids=" ".join)
def test_a_role_that_may_not_make_tables(
    keyfob: Run,
    database: Callable[[str], str],
    poor: str,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    url = database("OWNER keyfob")
    monkeypatch.setenv("KEYFOB_DATABASE_URL", url.replace("//keyfob@", f"//{poor}@"))

    assert keyfob(*command).err.splitlines()[-1] == (
        f"keyfob: the migration failed: the role {poor} may not make tables in the schema public: "
        f"GRANT CREATE ON SCHEMA public TO {poor}, or let it own the database"
    )


@pytest.mark.parametrize("command", [SERVE, MIGRATE], ids=" ".join)
def test_an_extension_that_may_not_be_made(
    keyfob: Run,
    postgres: str,
    database: Callable[[str], str],
    poor: str,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    url = database("OWNER keyfob")
    name = url.partition("?")[0].rpartition("/")[2]
    as_superuser(postgres, name, f"GRANT CREATE ON SCHEMA public TO {poor}")
    monkeypatch.setenv("KEYFOB_DATABASE_URL", url.replace("//keyfob@", f"//{poor}@"))

    assert keyfob(*command).err.splitlines()[-1] == (
        f"keyfob: the migration failed: the role {poor} may not make the extension pg_trgm: let a "
        f"superuser run CREATE EXTENSION pg_trgm in {name}, or GRANT CREATE ON DATABASE {name} "
        f"TO {poor}"
    )

    as_superuser(postgres, name, "CREATE EXTENSION pg_trgm")
    assert keyfob("migrate").code == 0


def test_a_database_without_a_schema_for_tables(
    keyfob: Run,
    postgres: str,
    database: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = database("OWNER keyfob")
    as_superuser(postgres, url.partition("?")[0].rpartition("/")[2], "DROP SCHEMA public")
    monkeypatch.setenv("KEYFOB_DATABASE_URL", url)

    assert keyfob(*MIGRATE).refusal == (
        "the migration failed: there is no schema to make tables in: CREATE SCHEMA public, or "
        "name one in the role's search_path"
    )


@pytest.mark.parametrize("command", [*COMMANDS[:-1], ("keys", "list")], ids=" ".join)
def test_a_schema_that_no_release_vouches_for(
    keyfob: Run, sql: Sql, command: tuple[str, ...]
) -> None:
    sql("UPDATE alembic_version SET version_num = '0099'")
    try:
        assert keyfob(*command).refusal == (
            f"the schema is at 0099, which does not keep this release (at {HEAD}) running: start "
            "the release that it is of, or take its migrations back with that release's files"
        )
    finally:
        sql("UPDATE alembic_version SET version_num = $1", HEAD)


def test_the_doctor_knows_no_such_schema_either(keyfob: Run, sql: Sql) -> None:
    sql("UPDATE alembic_version SET version_num = '0099'")
    try:
        said = keyfob("doctor")
        assert said.code == 1
        assert "the schema is at 0099, which does not keep this release" in said.out + said.err
    finally:
        sql("UPDATE alembic_version SET version_num = $1", HEAD)


@pytest.mark.skipif(find_program() is None, reason="there is no pgbouncer here")
@pytest.mark.skipif(knows_prepared_statements(), reason="this pgbouncer keeps statements")
@pytest.mark.parametrize("command", [SERVE, ("doctor",)], ids=" ".join)
def test_a_pooler_that_does_not_keep_prepared_statements(
    keyfob: Run,
    empty_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    with pgbouncer_before(empty_dsn, sessions=3) as pooled:
        monkeypatch.setenv("KEYFOB_DATABASE_URL", pooled)
        monkeypatch.setenv("KEYFOB_DATABASE_POOLER", "prepared")

        assert keyfob(*command).refusal == (
            "KEYFOB_DATABASE_POOLER: should be transaction: what stands at KEYFOB_DATABASE_URL "
            "does not keep prepared statements (PgBouncer does from 1.21, with "
            "max_prepared_statements)"
        )


@pytest.mark.skipif(find_program() is None, reason="there is no pgbouncer here")
@pytest.mark.parametrize("ignores", ["", "ignore_startup_parameters = jit"])
@pytest.mark.parametrize("command", [SERVE, ("doctor",)], ids=" ".join)
def test_a_pooler_that_keyfob_was_not_told_of(
    keyfob: Run,
    empty_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
    ignores: str,
    command: tuple[str, ...],
) -> None:
    with pgbouncer_before(empty_dsn, sessions=3, more=ignores) as pooled:
        monkeypatch.setenv("KEYFOB_DATABASE_URL", pooled)

        assert keyfob(*command).refusal == (
            "KEYFOB_DATABASE_POOLER: should be transaction, or prepared: a pooler stands at "
            "KEYFOB_DATABASE_URL, and hands each transaction another session"
        )
