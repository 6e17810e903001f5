"""A transaction as the rooms see it, and the callbacks after its commit."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias, TypeVar

import asyncpg
import structlog
from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction

T = TypeVar("T")

log = structlog.get_logger("keyfob.transactions")

Connection: TypeAlias = "PoolConnectionProxy[Record]"
Callback: TypeAlias = Callable[[], object]


class Tx:
    """A transaction that the caller has begun: functions that take it join, and never commit.

    It has no savepoints. A part that may fail on its own needs a transaction of its own, with its
    own callbacks.
    """

    def __init__(self, connection: Connection, following: list[Callback]) -> None:
        self._connection = connection
        self._following = following

    def after_commit(self, callback: Callback) -> None:
        """Register a callback for after the commit, in order of registration; not for a rollback.

        It is for what this process keeps in memory: callbacks are synchronous, quick and do no I/O.
        All of them run before `begin` returns, even if the caller is cancelled meanwhile. An
        exception in one is logged, and affects neither the others nor the caller.

        They also run after a commit whose outcome is unknown, because the connection broke or the
        server did not answer: the caller is told that the database is unavailable, and a token that
        is refused for nothing does less harm than a revoked one that is accepted. So a callback
        must be harmless if nothing was changed: it refuses, forgets or wakes something.
        """
        self._following.append(callback)

    async def fetch(self, query: str, *args: Any) -> list[Record]:
        """Run one statement in one round trip and return its rows."""
        return await self._connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> Record | None:
        """Run one statement in one round trip and return its first row; None if there is none."""
        return await self._connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Run one statement in one round trip and return the first value; None if there is none."""
        return await self._connection.fetchval(query, *args)

    async def execute(self, query: str, *args: Any) -> str:
        """Run one statement in one round trip and return its command tag."""
        return await self._connection.execute(query, *args)


async def commit(transaction: Transaction, following: Sequence[Callback]) -> None:
    """Commit, then run the callbacks. Without callbacks there is no extra cost."""
    if following:
        await to_the_end(_commit_and_follow(transaction, following))
    else:
        await transaction.commit()


async def _commit_and_follow(transaction: Transaction, following: Sequence[Callback]) -> None:
    is_undone = False
    try:
        await transaction.commit()
    except Exception as fault:
        is_undone = _is_surely_undone(fault)
        raise
    finally:
        if not is_undone:
            _follow(following)


def _is_surely_undone(fault: Exception) -> bool:
    """Tell whether a commit certainly failed: it was refused, or never sent.

    After an ERROR the server has rolled back and continues the session. A FATAL error, a broken
    connection or silence says nothing.
    """
    if isinstance(fault, asyncpg.PostgresError):
        return bool(fault.severity_en == "ERROR")
    return isinstance(fault, asyncpg.InterfaceError)


def _follow(following: Sequence[Callback]) -> None:
    for callback in following:
        try:
            callback()
        except Exception:
            log.exception("after_commit_failed")


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait until the work is done. If the caller is cancelled meanwhile, raise that afterwards.

    Threat: a client that disconnects in the moment of the commit would prevent the callbacks.
    """
    task = asyncio.create_task(work)
    left: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as cancelled:
            left = cancelled
    if left is not None:
        raise left from task.exception()
    return task.result()
