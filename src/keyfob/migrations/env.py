"""Alembic's environment: the database of the settings, with one transaction for each revision.

It migrates while instances serve. A statement that waits for a lock makes every request to that
table wait behind it, so it waits briefly, gives up, and is tried again a little later.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.util import CommandError
from sqlalchemy import Connection, pool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from keyfob.core import hosts
from keyfob.migrations.head import HEAD
from keyfob.migrations.preflight import refuse_unfit

# Two instances that start at once migrate one after the other.
_ONE_AT_A_TIME = 0x6B66_6D67
_PAUSE = 0.2

# A backup holds its locks as long as it runs. After about a minute it is better to give up.
_ATTEMPTS = 30
_PAUSE_BETWEEN = 1.5

_LOCK_NOT_AVAILABLE, _DEADLOCK = "55P03", "40P01"

_taken_back: list[str] = []


def _number(_: object, __: object, directives: list[Any]) -> None:
    """Give a new revision the next number: the newest file is the head (migrations.head)."""
    for directive in directives:
        directive.rev_id = f"{int(HEAD) + 1:04}"


# A revision without a statement supports the same releases as the one before it.
_KEEP = """
INSERT INTO schema_revisions (revision, keeps)
SELECT :revision, coalesce(CAST(:keeps AS text),
                           (SELECT keeps FROM schema_revisions ORDER BY revision DESC LIMIT 1),
                           :revision)
"""
_FORGET = "DELETE FROM schema_revisions WHERE revision = :revision"


def _record(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Record which releases the revision supports (`keeps` in its file)."""
    if not step.is_upgrade:
        _taken_back.append(str(step.up_revision_id))
    connection = ctx.connection
    if (
        connection is None
        or not connection.exec_driver_sql(
            "SELECT to_regclass('schema_revisions') IS NOT NULL"
        ).scalar()
    ):
        return
    revision = step.up_revision_id
    connection.execute(text(_FORGET), {"revision": revision})
    if step.is_upgrade:
        script: Any = step.up_revision
        keeps = getattr(script.module, "keeps", None)
        connection.execute(text(_KEEP), {"revision": revision, "keeps": keeps})


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        on_version_apply=_record,
        # No revision holds its locks while the next one runs.
        transaction_per_migration=True,
        process_revision_directives=_number,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _connect(dsn: str) -> "asyncpg.Connection[Any]":
    return await hosts.connect(dsn, statement_cache_size=0)


@asynccontextmanager
async def _turn(dsn: str) -> AsyncIterator[None]:
    """Wait until nobody else migrates, and keep others waiting.

    A transaction of its own holds the lock: a migration may commit on its way, and a pooler leaves
    an open transaction where it is.
    """
    guard = await _connect(dsn)
    try:
        await refuse_unfit(guard)
        while True:
            async with guard.transaction():
                if await _take_turn(guard):
                    yield
                    return
            # Asked repeatedly, without blocking: CREATE INDEX CONCURRENTLY waits for transactions
            # that wait.
            await asyncio.sleep(_PAUSE)
    finally:
        await guard.close()


async def _take_turn(guard: "asyncpg.Connection[Any]") -> bool:
    taken: bool = await guard.fetchval(f"SELECT pg_try_advisory_xact_lock({_ONE_AT_A_TIME})")
    # After the question: this statement releases the snapshot of the answer, for which CREATE INDEX
    # CONCURRENTLY would wait.
    await guard.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    return taken


async def _migrate(dsn: str) -> None:
    async with _turn(dsn):
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await _try(dsn)
            except (asyncpg.PostgresError, DBAPIError) as fault:
                if attempt == _ATTEMPTS or not _met_somebody(fault):
                    raise
                if _taken_back:
                    # Alembic counts "-2" from the current revision, and would go too far.
                    raise CommandError(
                        f"{_taken_back[-1]} was taken back, and the next one met a lock: say anew "
                        "how far to go"
                    ) from fault
                await asyncio.sleep(_PAUSE_BETWEEN)
            else:
                return


def _met_somebody(fault: Exception) -> bool:
    """Tell whether a lock caused the failure: the revision was rolled back, and can be retried."""
    state = getattr(getattr(fault, "orig", fault), "sqlstate", None)
    return state in {_LOCK_NOT_AVAILABLE, _DEADLOCK}


async def _try(dsn: str) -> None:
    async def connect() -> "asyncpg.Connection[Any]":
        return await _connect(dsn)

    # Unnamed statements: behind a pooler in transaction mode, a named one stays in a session that
    # another client gets next.
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
    """Run with the DSN that was passed in, otherwise with the database of the settings."""
    handed = os.environ.get("KEYFOB_MIGRATE_DSN") or context.config.attributes.get("dsn")
    if handed:
        asyncio.run(_migrate(handed))
        return
    _migrate_by_hand()


def _migrate_by_hand() -> None:
    # Only needed if `alembic` is run by hand: they take longer to load than most migrations to run.
    from keyfob import boot  # noqa: PLC0415 - see above
    from keyfob.core.database import translated_faults  # noqa: PLC0415 - see above
    from keyfob.core.problems import DatabaseUnavailable, in_one_line  # noqa: PLC0415 - see above
    from keyfob.core.stopping import end_in_order  # noqa: PLC0415 - see above
    from keyfob.settings import load_settings  # noqa: PLC0415 - see above

    end_in_order()
    try:
        with boot.told_as(CommandError), translated_faults():
            settings = load_settings()
            with boot.database_of(settings) as embedded:
                asyncio.run(_migrate(settings.direct_dsn if settings.database_url else embedded))
    except DatabaseUnavailable as away:
        raise CommandError(in_one_line(away)) from None


main()
