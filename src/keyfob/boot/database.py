"""The database: found or started, checked before use, and migrated to the newest schema."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import parse_qs, urlsplit

import asyncpg

from keyfob.core import queries
from keyfob.core.database import Database, translated_faults
from keyfob.core.feed import hears
from keyfob.core.hosts import CannotConnect
from keyfob.core.problems import DatabaseUnavailable
from keyfob.devdb.server import EmbeddedPostgres
from keyfob.health.schema import judge_schema
from keyfob.settings import Settings, WrongSetting

ONLY_SERVE = (
    "(KEYFOB_DATA_DIR); only `keyfob serve` makes one. Run this where the service runs, with its "
    "settings"
)
_HEARD_WITHIN = 2.0  # seconds
# Waiting does not help against these: a wrong database, role or password, or pg_hba.conf.
_TURNED_AWAY = (asyncpg.InvalidCatalogNameError, asyncpg.InvalidAuthorizationSpecificationError)
_LOST_STATEMENT = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
_FORGETFUL_POOLER = (
    "KEYFOB_DATABASE_POOLER: should be transaction: what stands at KEYFOB_DATABASE_URL does not "
    "keep prepared statements (PgBouncer does from 1.21, with max_prepared_statements)"
)
_UNTOLD_POOLER = (
    "KEYFOB_DATABASE_POOLER: should be transaction, or prepared: a pooler stands at "
    "KEYFOB_DATABASE_URL, and hands each transaction another session"
)


class CannotMigrate(Exception):
    """The migration failed; the message is the last line that Alembic printed."""


def expect_database(settings: Settings) -> None:
    """Check that a database is configured, or present in the data folder.

    Raises:
        WrongSetting: there is none; the message says where it was looked for.
    """
    if settings.database_url is None and not EmbeddedPostgres(settings.data_dir).exists():
        raise WrongSetting(
            "there is no database: KEYFOB_DATABASE_URL is not set, and none is in "
            f"{settings.data_dir.absolute()} {ONLY_SERVE}"
        )


@contextmanager
def database_of(settings: Settings, *, founding: bool = False) -> Iterator[str]:
    """Yield the URL of the database that the settings name, with the embedded one running.

    Args:
        settings: the settings that name it.
        founding: whether to create the embedded database and its folder if they are missing.

    Raises:
        WrongSetting: there is no database, or its folder cannot be created.
        DevDbError: the embedded database does not start.
    """
    if settings.database_url is not None:
        yield settings.dsn
        return
    if not founding:
        expect_database(settings)
    embedded = EmbeddedPostgres(settings.data_dir)
    try:
        yield embedded.start()
    finally:
        embedded.stop()


async def schema_revision(settings: Settings) -> str | None:
    """Return the revision of the schema; None before the first migration.

    Raises:
        WrongSetting: Keyfob cannot work with this database.
        DatabaseUnavailable: the database does not answer.
    """
    async with _looked_at(settings) as db:
        return await queries.find_schema_version(db)


async def schema_is_current(settings: Settings) -> bool:
    """Tell whether the schema is at head, or at a newer revision that supports this release.

    Raises:
        WrongSetting: Keyfob cannot work with this database, or its schema is of a release that does
            not say whether it supports this one.
        DatabaseUnavailable: the database does not answer.
    """
    async with _looked_at(settings) as db:
        encoding = await queries.read_encoding(db)
        if encoding != "UTF8":
            raise WrongSetting(
                f"KEYFOB_DATABASE_URL: the database is in {encoding} and should be in UTF8: "
                "CREATE DATABASE keyfob TEMPLATE template0 ENCODING 'UTF8'"
            )
        schema = await judge_schema(db)
    if schema.state == "unknown":
        raise WrongSetting(schema.says)
    return schema.is_well


async def see_that_sessions_are_kept(settings: Settings) -> None:
    """Check that the server or pooler at the URL behaves as KEYFOB_DATABASE_POOLER says.

    If a second connection gets the same database session while the first one rests, a pooler
    assigns sessions per transaction. It must keep prepared statements, or the setting must name it.

    Raises:
        WrongSetting: it behaves differently.
        DatabaseUnavailable: the database does not answer.
    """
    if settings.database_pooler == "transaction":
        return
    async with _looked_at(settings) as db, db.connection() as first:
        session = await queries.read_session(first)
        async with db.begin() as second:
            shared = session == await queries.read_session(second)
            if shared and settings.database_pooler == "none":
                raise WrongSetting(_UNTOLD_POOLER)
            if shared:
                await queries.read_session(first)


async def see_that_both_urls_agree(settings: Settings) -> None:
    """Check that commits at one URL are heard at the other, if two are configured.

    Threat: with the direct URL of another database every instance would be ready, and would hear of
    no revocation.

    Raises:
        WrongSetting: nothing is heard, or the direct URL asks for something that is not supported.
        DatabaseUnavailable: the database does not answer.
    """
    if settings.database_direct_url is None:
        return
    async with _looked_at(settings) as db:
        try:
            with translated_faults():
                heard = await hears(settings.direct_dsn, db, within=_HEARD_WITHIN)
        except DatabaseUnavailable as away:
            if isinstance(away.__cause__, CannotConnect):
                says = f"KEYFOB_DATABASE_DIRECT_URL: {away.__cause__}"
                raise WrongSetting(says) from None
            raise
    if not heard:
        raise WrongSetting(
            "KEYFOB_DATABASE_DIRECT_URL: should lead to the same database as KEYFOB_DATABASE_URL, "
            "past the pooler; nothing is heard there of what is committed here"
        )


@asynccontextmanager
async def _looked_at(settings: Settings) -> AsyncIterator[Database]:
    """Lend a small pool, and explain in terms of the settings why it cannot be used."""
    db = Database(settings.dsn, pool_size=2, pooler=settings.database_pooler)
    await db.open()
    try:
        yield db
    except DatabaseUnavailable as away:
        if wrong := _wrong_setting(settings, away.__cause__):
            raise WrongSetting(wrong) from None
        where = f"KEYFOB_DATABASE_URL names {_place_of(settings.dsn)}"
        raise DatabaseUnavailable(where) from away.__cause__
    finally:
        await db.close()


def _place_of(dsn: str) -> str:
    """Return the hosts of a URL, or the folder of its socket, without user and password."""
    parts = urlsplit(dsn)
    hosts = parts.netloc.rpartition("@")[2]
    return hosts or ",".join(parse_qs(parts.query).get("host", ["localhost"]))


def _wrong_setting(settings: Settings, cause: BaseException | None) -> str | None:
    untold = settings.database_pooler == "none"
    if isinstance(cause, CannotConnect):
        return f"KEYFOB_DATABASE_URL: {cause}"
    if isinstance(cause, _TURNED_AWAY):
        return f"KEYFOB_DATABASE_URL: PostgreSQL at {_place_of(settings.dsn)} says: {cause}"
    if isinstance(cause, _LOST_STATEMENT):
        return _UNTOLD_POOLER if untold else _FORGETFUL_POOLER
    # PgBouncer's words for parameters that asyncpg may set only in a session of its own.
    if untold and "unsupported startup parameter" in str(cause):
        return _UNTOLD_POOLER
    return None


def migrate(settings: Settings, target: str = "head") -> None:
    """Migrate the schema to a revision in a subprocess: a worker never loads SQLAlchemy.

    Raises:
        CannotMigrate: the migration failed; the message says why.
    """
    done = subprocess.run(  # noqa: S603 - our own program, no shell
        [sys.executable, "-m", "keyfob.migrations.run", target],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "KEYFOB_MIGRATE_DSN": settings.direct_dsn,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        # The last line is the error, unless SQLAlchemy appends a link to its documentation.
        said = [line for line in done.stderr.splitlines() if line and not line.startswith("(Back")]
        raise CannotMigrate(f"the migration failed: {said[-1] if said else done.returncode}")
