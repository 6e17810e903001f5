"""How a migration runs SQL: as it is written, in one transaction, or beside those who serve."""

from collections.abc import Callable, Sequence
from uuid import UUID

import asyncpg
from alembic import op
from sqlalchemy.util import await_only

# Shorter than a request waits for a connection: those behind a waiting migration are held up so
# long, and not refused.
_BRIEF_WAITS = "SET LOCAL lock_timeout = '500ms'"

_BATCH = 1000


def run_sql(sql: str) -> None:
    """Run one or more statements on the migration's own connection.

    SQLAlchemy would prepare them, and a prepared statement is a single one.
    """
    op.get_bind().exec_driver_sql(_BRIEF_WAITS)  # begins the transaction
    _run_raw(sql)


def build_index(name: str, definition: str) -> None:
    """Build an index while others read and write: CREATE INDEX CONCURRENTLY name definition.

    It cannot be in a transaction, so what the revision did before is committed: give an index a
    revision of its own. What a build that was broken off has left behind is dropped first.
    """
    with op.get_context().autocommit_block():
        _run_raw(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        _run_raw(f"CREATE INDEX CONCURRENTLY {name} {definition}")


def drop_index(name: str) -> None:
    """Drop an index while others read and write; as `build_index`."""
    with op.get_context().autocommit_block():
        _run_raw(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def validate_constraint(table: str, name: str) -> None:
    """See that the rows of before keep to a constraint that was added NOT VALID.

    Others read and write meanwhile: what was done before is committed, as by `build_index`.
    """
    with op.get_context().autocommit_block():
        _run_raw(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def rewrite(select: str, update: str, change: Callable[[asyncpg.Record], Sequence[object]]) -> None:
    """Change the rows of a table that has an `id`, in batches of a transaction each.

    Others read and write meanwhile: what was done before is committed, as by `build_index`.

    Args:
        select: gives a batch, by `id` from $1 on, of at most $2 rows.
        update: changes one row; its parameters are what `change` returns.
        change: from a row to the parameters of `update`.
    """
    with op.get_context().autocommit_block():
        await_only(_rewrite(_raw(), select, update, change))


async def _rewrite(
    raw: "asyncpg.Connection[asyncpg.Record]",
    select: str,
    update: str,
    change: Callable[[asyncpg.Record], Sequence[object]],
) -> None:
    after = UUID(int=0)
    while rows := await raw.fetch(select, after, _BATCH):
        await raw.executemany(update, [change(row) for row in rows])
        after = rows[-1]["id"]


def _raw() -> "asyncpg.Connection[asyncpg.Record]":
    return op.get_bind().connection.driver_connection  # type: ignore[return-value] # asyncpg's, below SQLAlchemy's wrappers


def _run_raw(sql: str) -> None:
    await_only(_raw().execute(sql))
