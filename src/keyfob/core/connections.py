"""A single connection to PostgreSQL, as the pool makes it."""

import asyncio
import json
from typing import Any, Literal

import asyncpg
from asyncpg import Record
from asyncpg.prepared_stmt import PreparedStatement

# The kind of pooler in between; "prepared" supports prepared statements in transaction mode.
Pooler = Literal["none", "transaction", "prepared"]


class PlainConnection(asyncpg.Connection):
    """A connection that is handed back without a reset query.

    The default would add a round trip to every statement. It is safe because nothing here sets
    session state: no SET outside a transaction, no advisory session locks, no LISTEN on the pool.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._hot: dict[str, PreparedStatement[Record]] = {}
        kept: int = self._config.statement_cache_size  # type: ignore[attr-defined] # not in the stubs
        self._holds_ready = kept > 0

    def get_reset_query(self) -> str:
        return ""

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncpg's
        self._hot.clear()  # asyncpg refuses a statement whose connection went back to its pool
        await super().reset(timeout=timeout)

    async def _cleanup_stmts(self) -> None:
        """Close statements that are no longer needed, within the usual time-out.

        asyncpg waits for this without limit: the next user of the connection would hang if the
        server is silent.
        """
        try:
            async with asyncio.timeout(self._config.command_timeout):  # type: ignore[attr-defined] # as above
                await super()._cleanup_stmts()  # type: ignore[misc] # not in the stubs either
        except TimeoutError:
            self.terminate()
            raise

    async def fetch_prepared(self, query: str, *args: Any) -> list[Record]:
        """Run a prepared statement, and return its rows.

        If a migration has just changed the table, the statement is run again, as asyncpg does. If
        asyncpg keeps no prepared statements, as behind some poolers, none is kept here either.
        """
        if not self._holds_ready:
            return await self.fetch(query, *args)
        statement = self._hot.get(query)
        if statement is None:
            # `prepare` would ask the server each time: after every reset, which happens after each
            # statement if clients queue for connections.
            prepare = self._prepare  # type: ignore[attr-defined] # as above
            statement = self._hot[query] = await prepare(query, use_cache=True)
        try:
            return await statement.fetch(*args)
        except (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError):
            del self._hot[query]
            return await self.fetch(query, *args)


def session_options(pooler: Pooler, name: str) -> dict[str, Any]:
    """Return the options for a connection; through a pooler, no session may be changed."""
    settings = {"application_name": name}
    if pooler == "none":
        settings["jit"] = "off"  # PgBouncer refuses parameters that it does not know
    # Without the cache, asyncpg parses again in the step that executes, in one transaction.
    uncached = {"statement_cache_size": 0} if pooler == "transaction" else {}
    return {"server_settings": settings, **uncached}


async def prepare_connection(connection: "asyncpg.Connection[Record]") -> None:
    """Make a new connection convert JSON."""
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, schema="pg_catalog", encoder=json.dumps, decoder=json.loads
        )
