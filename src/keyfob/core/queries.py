"""SQL that belongs to no room."""

from datetime import datetime
from typing import Any

import asyncpg

from keyfob.core.database import Executor


async def read_time(db: "Executor | asyncpg.Connection[Any]") -> datetime:
    """Return the server's time at this moment, and so a sign of life; one round trip."""
    at: datetime = await db.fetchval("SELECT clock_timestamp()")
    return at


async def find_schema_version(db: Executor) -> str | None:
    """Return the Alembic revision of the schema, or None before the first migration."""
    exists = await db.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
    return await db.fetchval("SELECT version_num FROM alembic_version") if exists else None


async def count_connections(db: Executor, application_name: str) -> int:
    """Count the connections to this database that bear a name."""
    count: int = await db.fetchval(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = $1",
        application_name,
    )
    return count
