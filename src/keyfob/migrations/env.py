"""Alembic's environment: against whatever database the settings name, one transaction for all."""

import asyncio
import os
from typing import Any

import asyncpg
from alembic import context
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

from keyfob.migrations.head import HEAD

# Two instances that start at once migrate one after the other.
_ONE_AT_A_TIME = 0x6B66_6D67


def _number(_: object, __: object, directives: list[Any]) -> None:
    """Give a new revision the next number: the newest file is the head (migrations.head)."""
    for directive in directives:
        directive.rev_id = f"{int(HEAD) + 1:04}"


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        transaction_per_migration=False,
        process_revision_directives=_number,
    )
    with context.begin_transaction():
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})")
        # Rather give up than make every request wait behind our wait for a lock.
        connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
        context.run_migrations()


async def _migrate(dsn: str) -> None:
    async def connect() -> "asyncpg.Connection[Any]":
        return await asyncpg.connect(dsn, statement_cache_size=0)

    # Statements without names: behind a pooler in transaction mode, a named one stays in a session
    # that somebody else gets next.
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        connect_args={"prepared_statement_name_func": str, "prepared_statement_cache_size": 0},
        poolclass=pool.NullPool,
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run)
    finally:
        await engine.dispose()


def main() -> None:
    """Run with the DSN that was handed in, else with the database that the settings name."""
    handed = os.environ.get("KEYFOB_MIGRATE_DSN") or context.config.attributes.get("dsn")
    if handed:
        asyncio.run(_migrate(handed))
        return
    # Only `alembic` by hand needs these.
    from keyfob.boot import database_of  # noqa: PLC0415 - see above
    from keyfob.settings import load_settings  # noqa: PLC0415 - see above

    with database_of(load_settings()) as dsn:
        asyncio.run(_migrate(dsn))


main()
