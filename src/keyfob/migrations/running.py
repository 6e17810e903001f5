"""How a migration runs SQL: as it is written, several statements at once, in one transaction."""

import asyncpg
from alembic import op
from sqlalchemy.util import await_only


def run_sql(sql: str) -> None:
    """Run one or more statements on the migration's own connection.

    SQLAlchemy would prepare them, and a prepared statement is a single one.
    """
    bind = op.get_bind()
    bind.exec_driver_sql("SELECT 1")  # begins the transaction
    raw: asyncpg.Connection[asyncpg.Record] = bind.connection.driver_connection  # type: ignore[assignment] # asyncpg's, below SQLAlchemy's wrappers
    await_only(raw.execute(sql))
