"""Functions for migrations that run SQL: in one transaction, or while instances serve."""

from collections.abc import Callable, Sequence
from uuid import UUID

import asyncpg
from alembic import op
from alembic.util import CommandError
from sqlalchemy.util import await_only

# Shorter than a request waits for a connection: requests behind a waiting migration are delayed
# that long, and not refused.
_BRIEF_WAITS = "SET LOCAL lock_timeout = '500ms'"

# The rows that a writer may have to wait for: about a tenth of a second.
_BATCH = 500


def run_sql(sql: str) -> None:
    """Run one or more statements on the migration's own connection.

    SQLAlchemy would prepare them, but only a single statement can be prepared.

    Raises:
        CommandError: there is none: an unwritten migration must not count as done.
    """
    if not sql.strip():
        raise CommandError("the revision has no SQL yet: write what it does, or delete its file")
    op.get_bind().exec_driver_sql(_BRIEF_WAITS)  # begins the transaction
    _run_raw(sql)


def build_index(name: str, definition: str) -> None:
    """Build an index while others read and write: CREATE INDEX CONCURRENTLY name definition.

    It cannot run in a transaction, so what the revision did before is committed: give an index a
    revision of its own. The remains of an interrupted build are dropped first.
    """
    with op.get_context().autocommit_block():
        _run_raw(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        _run_raw(f"CREATE INDEX CONCURRENTLY {name} {definition}")


def build_partitioned_index(table: str, name: str, definition: str) -> None:
    """Build an index of a partitioned table while others read and write: name ON table definition.

    PostgreSQL builds none concurrently on all partitions at once. So each gets its own, which is
    then attached; the index of the whole counts once all of them have one. What was attached by an
    interrupted build stays, and a partition that is made meanwhile has the index from the start.
    """
    run_sql(f"CREATE INDEX IF NOT EXISTS {name} ON ONLY {table} {definition}")
    for partition in _partitions_without(table, name):
        own = f"{partition}{name.removeprefix(table)}"
        build_index(own, f"ON {partition} {definition}")
        run_sql(f"ALTER INDEX {name} ATTACH PARTITION {own}")


def _partitions_without(table: str, index: str) -> Sequence[str]:
    found = op.get_bind().exec_driver_sql(
        f"""
        SELECT i.inhrelid::regclass::text FROM pg_inherits AS i
         WHERE i.inhparent = '{table}'::regclass
           AND NOT EXISTS (
               SELECT FROM pg_inherits AS a JOIN pg_index AS x ON x.indexrelid = a.inhrelid
                WHERE a.inhparent = '{index}'::regclass AND x.indrelid = i.inhrelid
           )
         ORDER BY 1
        """  # noqa: S608 - the words of a revision
    )
    names: Sequence[str] = found.scalars().all()
    return names


def drop_index(name: str) -> None:
    """Drop an index while others read and write, as in `build_index`."""
    with op.get_context().autocommit_block():
        _run_raw(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def validate_constraint(table: str, name: str) -> None:
    """Check that existing rows comply with a constraint that was added NOT VALID.

    Others read and write meanwhile: earlier changes are committed, as in `build_index`.
    """
    with op.get_context().autocommit_block():
        _run_raw(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def fill(table: str, change: str, where: str) -> None:
    """UPDATE table SET change WHERE where, in batches, for a table that has an `id`.

    Each batch is a transaction of its own and locks only the rows that it changes. Others read and
    write meanwhile: earlier changes are committed, as in `build_index`. If `where` excludes changed
    rows, the work can be resumed after an interruption.
    """
    with op.get_context().autocommit_block():
        await_only(_fill(_raw(), table, change, where))


async def _fill(
    raw: "asyncpg.Connection[asyncpg.Record]", table: str, change: str, where: str
) -> None:
    # Locked in one order: two that change several rows at once do not wait for each other.
    batch = f"""
        WITH page AS MATERIALIZED (
            SELECT id FROM {table} WHERE id > $1 ORDER BY id LIMIT $2
        ), held AS MATERIALIZED (
            SELECT id FROM {table} WHERE id IN (SELECT id FROM page) AND ({where})
             ORDER BY id FOR NO KEY UPDATE
        ), changed AS (
            UPDATE {table} SET {change} FROM held WHERE {table}.id = held.id
        )
        SELECT id FROM page ORDER BY id DESC LIMIT 1
        """  # noqa: S608 - the words of a revision
    after: UUID | None = UUID(int=0)
    while after:
        async with raw.transaction():
            await raw.execute(_BRIEF_WAITS)
            after = await raw.fetchval(batch, after, _BATCH)


def rewrite(
    select: str, update: str, change: Callable[[asyncpg.Record], Sequence[object] | None]
) -> None:
    """Change rows in ways that SQL cannot express, in batches as in `fill`.

    Args:
        select: returns a batch, by `id` from $1 on, of at most $2 rows.
        update: changes one row; its parameters are the result of `change`.
        change: returns the parameters of `update` for a row; None leaves the row as it is.
    """
    with op.get_context().autocommit_block():
        await_only(_rewrite(_raw(), select, update, change))


async def _rewrite(
    raw: "asyncpg.Connection[asyncpg.Record]",
    select: str,
    update: str,
    change: Callable[[asyncpg.Record], Sequence[object] | None],
) -> None:
    after = UUID(int=0)
    while rows := await raw.fetch(select, after, _BATCH):
        if changed := [to for row in rows if (to := change(row)) is not None]:
            async with raw.transaction():
                await raw.execute(_BRIEF_WAITS)
                await raw.executemany(update, changed)
        after = rows[-1]["id"]


def somebody_serves() -> bool:
    """Tell whether a worker listens to the database; workers behind a pooler only poll."""
    serving: bool = (
        op.get_bind()
        .exec_driver_sql(
            "SELECT EXISTS (SELECT FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'keyfob feed')"
        )
        .scalar_one()
    )
    return serving


def refuse_beside_service(revision: str) -> None:
    """Stop before a step that running instances would not survive.

    Raises:
        CommandError: always; it says what to do.
    """
    raise CommandError(
        f"the last step of revision {revision} is for when no instance serves: stop those that do, "
        "and migrate again"
    )


def _raw() -> "asyncpg.Connection[asyncpg.Record]":
    return op.get_bind().connection.driver_connection  # type: ignore[return-value] # asyncpg's, below SQLAlchemy's wrappers


def _run_raw(sql: str) -> None:
    await_only(_raw().execute(sql))
