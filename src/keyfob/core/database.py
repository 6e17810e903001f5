"""PostgreSQL through asyncpg: a pool with limits to every wait, and visible transactions.

A function that takes a `Database` opens its own transactions; one that takes a `Tx` joins the
caller's and never commits.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeAlias

import asyncpg
from asyncpg import Record
from prometheus_client import Gauge

from keyfob.core.addresses import share_of_asker
from keyfob.core.connections import PlainConnection, Pooler, prepare_connection, session_options
from keyfob.core.fair_queue import Turns
from keyfob.core.hosts import CannotConnect, connect
from keyfob.core.problems import DatabaseUnavailable
from keyfob.core.transactions import Callback, Connection, Tx, commit

POOL_SIZE = Gauge(
    "keyfob_database_connections", "Open database connections.", multiprocess_mode="livesum"
)
POOL_IDLE = Gauge(
    "keyfob_database_connections_idle", "Idle database connections.", multiprocess_mode="livesum"
)

__all__ = ["Connection", "Database", "Executor", "Tx"]

# PostgreSQL is down, full or cannot write: the client should try again later.
AWAY = (
    CannotConnect,
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresSystemError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InternalClientError,
    # From a pooler that does not keep prepared statements in a session.
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
)


@contextmanager
def translated_faults() -> Iterator[None]:
    """Turn all errors that mean PostgreSQL is not available into `DatabaseUnavailable`."""
    try:
        yield
    except AWAY as fault:
        raise translated(fault) from fault


def translated(fault: BaseException) -> BaseException:
    """Return the exception to raise in place of an error in `AWAY`."""
    # asyncpg's DataError is also an InterfaceError: an argument of the wrong type, a bug of ours.
    return fault if isinstance(fault, ValueError) else DatabaseUnavailable()


def _is_open(connection: Connection) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # it was cut, and asyncpg's pool has taken it back already
        return False


class Database:
    """A bounded pool of connections, for which clients take turns.

    Threat: a client with a thousand requests under way, even refused ones, must not make all others
    wait for these.

    All methods raise `DatabaseUnavailable` if no connection is free within `acquire_timeout`
    seconds, or if the server does not answer within `command_timeout` seconds.
    """

    def __init__(
        self,
        dsn: str,
        *,
        pool_size: int = 10,
        acquire_timeout: float = 2.0,
        command_timeout: float = 5.0,
        pooler: Pooler = "none",
    ) -> None:
        self._acquire_timeout = acquire_timeout
        self._options: dict[str, Any] = {
            "dsn": dsn,
            "connect": connect,
            "max_size": pool_size,
            "timeout": acquire_timeout,
            "command_timeout": command_timeout,
            **session_options(pooler, "keyfob"),
        }
        self._turns: Turns[Connection] = Turns(pool_size)
        self._leaving: set[asyncio.Task[None]] = set()
        self._opened: asyncpg.Pool[Record] | None = None

    async def open(self) -> None:
        """Create the pool, without connecting yet: the database may still be down."""
        self._opened = await asyncpg.create_pool(
            **self._options,
            min_size=0,
            init_size=0,
            connection_class=PlainConnection,
            init=prepare_connection,
            max_inactive_connection_lifetime=300,
        )

    @property
    def _pool(self) -> "asyncpg.Pool[Record]":
        if self._opened is None:
            raise DatabaseUnavailable("The pool is not open")
        return self._opened

    async def close(self) -> None:
        """Wait briefly for running statements, then close all connections."""
        try:
            async with asyncio.timeout(self._acquire_timeout):
                await self.rest()
                await self._pool.close()
        except (TimeoutError, *AWAY):
            self._pool.terminate()

    @property
    def size(self) -> int:
        """The number of open connections."""
        return self._pool.get_size()

    @property
    def idle(self) -> int:
        """The number of open connections that are not in use."""
        return self._pool.get_idle_size() + self._turns.ready

    @property
    def waiting(self) -> int:
        """The number of callers that wait for a connection."""
        return self._turns.waiting

    async def measure(self) -> None:
        """Set the gauges of the pool."""
        POOL_SIZE.set(self.size)
        POOL_IDLE.set(self.idle)

    async def rest(self) -> None:
        """Return the spare connections to asyncpg's pool, which closes those that stay idle."""
        while (connection := self._turns.pop()) is not None:
            with suppress(*AWAY):  # then the pool has closed it
                await self._pool.release(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection outside a transaction, for several statements that need none."""
        with translated_faults():
            connection = await self._take()
            try:
                yield connection
            except BaseException as fault:
                await self._take_back(connection, fault)
                raise
            await self._give_back(connection)

    @asynccontextmanager
    async def begin(self, *, snapshot: bool = False) -> AsyncIterator[Tx]:
        """Open a transaction; commit at the end, roll back if an exception is raised.

        The callbacks of `Tx.after_commit` have run when this returns. With `snapshot`, the
        transaction only reads, and sees everything as it was at its first statement.
        """
        kind: Any = {"isolation": "repeatable_read", "readonly": True} if snapshot else {}
        following: list[Callback] = []
        async with self.connection() as connection:
            transaction = connection.transaction(**kind)
            await transaction.start()
            try:
                yield Tx(connection, following)
            except TimeoutError:
                raise  # a ROLLBACK would wait as long again; the pool makes one
            except BaseException:
                await transaction.rollback()
                raise
            await commit(transaction, following)

    async def fetch(self, query: str, *args: Any) -> list[Record]:
        """Run one statement in one round trip and return its rows."""
        async with self.connection() as connection:
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> Record | None:
        """Run one statement in one round trip and return its first row; None if there is none."""
        async with self.connection() as connection:
            return await connection.fetchrow(query, *args)

    async def fetch_hot(self, query: str, *args: Any) -> list[Record]:
        """Do as `fetch`, for a statement that every client runs all the time.

        It is prepared once per connection, which avoids asyncpg's look-ups, a third of the call. It
        must be harmless to run it twice, which happens if a migration has changed its table.
        """
        try:  # like `connection`, without its generators
            connection: Any = await self._take()
            try:
                rows: list[Record] = await connection.fetch_prepared(query, *args)
            except BaseException as fault:
                await self._take_back(connection, fault)
                raise
            await self._give_back(connection)
        except AWAY as fault:
            raise translated(fault) from fault
        return rows

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Run one statement in one round trip and return the first value; None if there is none."""
        async with self.connection() as connection:
            return await connection.fetchval(query, *args)

    async def execute(self, query: str, *args: Any) -> str:
        """Run one statement in one round trip and return its command tag."""
        async with self.connection() as connection:
            return await connection.execute(query, *args)

    async def _take(self) -> Connection:
        """Return a connection that was just given back, or one from asyncpg's pool.

        Returning a connection to asyncpg's pool and acquiring it again costs 20 us, half a
        statement. So connections are passed on here, and the pool keeps only the idle ones.
        """
        spare = await self._turns.take(share_of_asker, self._acquire_timeout)
        if spare is not None and _is_open(spare):
            return spare
        try:
            if spare is not None:
                await self._pool.release(spare)
            return await self._pool.acquire(timeout=self._acquire_timeout)
        except BaseException:
            self._turns.give(None)
            raise

    async def _take_back(self, connection: Connection, fault: BaseException) -> None:
        """Return a connection after a fault to the pool, which checks it.

        After a time-out the pool first waits for the server to cancel the statement. The caller has
        waited long enough, and does not wait for that.
        """
        leaving = asyncio.create_task(self._release(connection))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        if not isinstance(fault, TimeoutError):
            await asyncio.shield(leaving)

    async def _release(self, connection: Connection) -> None:
        try:
            with suppress(*AWAY):  # then the pool has closed it
                await self._pool.release(connection)
        finally:
            self._turns.give(None)

    async def _give_back(self, connection: Connection) -> None:
        """Pass on a connection after successful use.

        If its statement failed or was cancelled, it goes to the pool, which checks it.
        """
        if _is_open(connection):
            self._turns.give(connection)
        else:
            await self._release(connection)


Executor: TypeAlias = "Database | Tx | Connection | asyncpg.Connection[Any]"
