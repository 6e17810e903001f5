"""SQL that belongs to no room."""

from datetime import datetime
from typing import Any

import asyncpg

from keyfob.core.database import Executor


async def read_time(db: "Executor | asyncpg.Connection[Any]") -> datetime:
    """Return the server's current time, which also shows that it is alive; one round trip."""
    at: datetime = await db.fetchval("SELECT clock_timestamp()")
    return at


async def read_server_version(db: Executor) -> str:
    """Return the version of PostgreSQL, such as "18.6"."""
    version: str = await db.fetchval("SELECT split_part(current_setting('server_version'), ' ', 1)")
    return version


async def find_schema_version(db: Executor) -> str | None:
    """Return the Alembic revision of the schema; None before the first migration."""
    exists = await db.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
    return await db.fetchval("SELECT version_num FROM alembic_version") if exists else None


async def find_oldest_kept(db: Executor, revision: str) -> str | None:
    """Return the oldest release that supports a schema revision; None if that is not recorded."""
    if not await db.fetchval("SELECT to_regclass('schema_revisions') IS NOT NULL"):
        return None
    kept: str | None = await db.fetchval(
        "SELECT keeps FROM schema_revisions WHERE revision = $1", revision
    )
    return kept


async def read_encoding(db: Executor) -> str:
    """Return the encoding of the database, such as UTF8."""
    encoding: str = await db.fetchval("SELECT current_setting('server_encoding')")
    return encoding


async def read_session(db: Executor) -> int:
    """Return the process id of the database session that answers."""
    session: int = await db.fetchval("SELECT pg_backend_pid()")
    return session


async def notify(db: Executor, notice: str) -> None:
    """Tell every worker that listens to this database."""
    await db.execute("SELECT pg_notify('keyfob', $1)", notice)


async def count_connections(db: Executor, application_name: str) -> int:
    """Count the connections to this database with an application name."""
    count: int = await db.fetchval(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = $1",
        application_name,
    )
    return count
