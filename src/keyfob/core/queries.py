"""SQL that belongs to no room."""

from collections.abc import Sequence
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


async def list_missing_tables(db: Executor, names: Sequence[str]) -> list[str]:
    """Return which of the tables do not exist."""
    rows = await db.fetch(
        "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NULL", list(names)
    )
    return [row["name"] for row in rows]
