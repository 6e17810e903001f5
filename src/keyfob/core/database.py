"""PostgreSQL through asyncpg: a pool whose every wait is bounded, and visible transactions.

A function that takes `Database` opens what it needs; one that takes `Tx` joins and never commits.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, TypeAlias

import asyncpg
from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy

from keyfob.core.connections import PlainConnection, Pooler, prepare_connection, session_options
from keyfob.core.hosts import CannotConnect, connect
from keyfob.core.problems import DatabaseUnavailable

Tx: TypeAlias = "PoolConnectionProxy[Record]"

# What PostgreSQL says when it is away, full, or cannot write: the caller should come back later.
_AWAY = (
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
    # Of a pooler that does not keep what was prepared in a session.
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
)


@contextmanager
def translated_faults() -> Iterator[None]:
    """Turn every way in which PostgreSQL can be away into `DatabaseUnavailable`."""
    try:
        yield
    except _AWAY as fault:
        raise _translated(fault) from fault


def _translated(fault: BaseException) -> BaseException:
    # asyncpg's DataError is an InterfaceError too: an argument of the wrong type, a bug of ours.
    return fault if isinstance(fault, ValueError) else DatabaseUnavailable()


def _is_open(connection: Tx) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # it was cut, and asyncpg's pool has taken it back already
        return False


class Database:
    """A bounded pool of connections.

    Every method raises `DatabaseUnavailable` when no connection is free within `acquire_timeout`
    seconds, or the server does not answer within `command_timeout` seconds.
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
        self._spare: list[Tx] = []
        self._waiting = 0
        self._leaving: set[asyncio.Task[None]] = set()
        self._opened: asyncpg.Pool[Record] | None = None

    async def open(self) -> None:
        """Make the pool ready. No connection is made yet: the database may still be away."""
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
        """Wait briefly for statements under way, then close every connection."""
        try:
            async with asyncio.timeout(self._acquire_timeout):
                await self.rest()
                await self._pool.close()
        except (TimeoutError, *_AWAY):
            self._pool.terminate()

    @property
    def size(self) -> int:
        """How many connections are open."""
        return self._pool.get_size()

    @property
    def idle(self) -> int:
        """How many open connections wait for work."""
        return self._pool.get_idle_size() + len(self._spare)

    async def rest(self) -> None:
        """Hand the spare connections back to the pool, which closes those that stay idle."""
        while self._spare:
            await self._pool.release(self._spare.pop())

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Tx]:
        """Lend a connection outside a transaction: for several statements that need none."""
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
        """Open a transaction; commit at the end, roll back if anything is raised.

        `snapshot`: it only reads, and sees everything as it was at its first statement.
        """
        kind: Any = {"isolation": "repeatable_read", "readonly": True} if snapshot else {}
        async with self.connection() as connection, AsyncExitStack() as stack:
            await stack.enter_async_context(connection.transaction(**kind))
            try:
                yield connection
            except TimeoutError:
                stack.pop_all()  # a ROLLBACK would wait as long again; the pool makes one
                raise

    async def fetch(self, query: str, *args: Any) -> list[Record]:
        """Run one statement in one round trip and return its rows."""
        async with self.connection() as connection:
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> Record | None:
        """Run one statement in one round trip and return its first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchrow_hot(self, query: str, *args: Any) -> Record | None:
        """As `fetchrow`, for a statement that every client runs all the time.

        It is prepared once a connection and called past asyncpg's look-ups, which cost a third of
        the call. It must stand being run twice: where a migration changed its table, it may be.
        """
        try:  # as `connection`, without its generators
            connection: Any = await self._take()
            try:
                row: Record | None = await connection.fetchrow_prepared(query, *args)
            except BaseException as fault:
                await self._take_back(connection, fault)
                raise
            await self._give_back(connection)
        except _AWAY as fault:
            raise _translated(fault) from fault
        return row

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Run one statement in one round trip and return the first value, or None."""
        async with self.connection() as connection:
            return await connection.fetchval(query, *args)

    async def execute(self, query: str, *args: Any) -> str:
        """Run one statement in one round trip and return its command tag."""
        async with self.connection() as connection:
            return await connection.execute(query, *args)

    async def _take(self) -> Tx:
        """Take a spare connection, or one of the pool within the time allowed.

        Handing a connection back to asyncpg's pool and fetching it again costs 20 us, half a
        statement; so those in use are passed on here, and the pool sees to the rest.
        """
        while self._spare:
            connection = self._spare.pop()
            if _is_open(connection):
                return connection
            await self._pool.release(connection)
        self._waiting += 1
        try:
            return await self._pool.acquire(timeout=self._acquire_timeout)
        finally:
            self._waiting -= 1

    async def _take_back(self, connection: Tx, fault: BaseException) -> None:
        """Let the pool see whether a connection is well after a fault.

        After a time-out it first waits for the server to give the statement up. The caller has
        waited enough, and does not wait for that.
        """
        if isinstance(fault, TimeoutError):
            leaving = asyncio.create_task(self._release(connection))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
        else:
            await self._pool.release(connection)

    async def _release(self, connection: Tx) -> None:
        with suppress(*_AWAY):  # then the pool has closed it
            await self._pool.release(connection)

    async def _give_back(self, connection: Tx) -> None:
        """Keep a connection that did its work, unless somebody waits at the pool for one.

        One whose statement failed or was cancelled goes to the pool, which sees that it is well.
        """
        if self._waiting or not _is_open(connection):
            await self._pool.release(connection)
        else:
            self._spare.append(connection)


Executor: TypeAlias = "Database | Tx | asyncpg.Connection[Any]"
