"""SQL that belongs to no room."""

from typing import Any

import asyncpg

from keyfob.core.database import Executor


async def ping(connection: "asyncpg.Connection[Any]") -> None:
    """Ask the server for a sign of life; one round trip."""
    await connection.fetchval("SELECT 1")


async def find_schema_version(db: Executor) -> str | None:
    """Return the Alembic revision of the schema, or None before the first migration."""
    exists = await db.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
    return await db.fetchval("SELECT version_num FROM alembic_version") if exists else None
