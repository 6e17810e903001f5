"""A transaction as the rooms see it, and what follows its commit."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias

import asyncpg
import structlog
from asyncpg import Record
from asyncpg.pool import PoolConnectionProxy
from asyncpg.transaction import Transaction

log = structlog.get_logger("keyfob.transactions")

Connection: TypeAlias = "PoolConnectionProxy[Record]"
Callback: TypeAlias = Callable[[], object]


class Tx:
    """A transaction that somebody has begun: whoever is given it joins, and never commits.

    It has no savepoints. A part that is to fail on its own is a transaction of its own, with what
    follows it.
    """

    def __init__(self, connection: Connection, following: list[Callback]) -> None:
        self._connection = connection
        self._following = following

    def after_commit(self, callback: Callback) -> None:
        """Call back once this is committed, in the order of registration; never if rolled back.

        It is for what this process keeps in memory: a callback is synchronous, does no I/O and is
        quick. All of them run before `begin` returns, also where the caller is cancelled meanwhile.
        A fault in one is logged, and hinders neither the others nor the caller.

        A commit whose outcome nobody knows, since the connection broke or the server fell silent,
        is followed, too: the caller is told that the database is away, and a token that dies for
        nothing does less harm than a revoked one that lives. So a callback must be harmless where
        nothing was changed: it refuses, forgets or wakes.
        """
        self._following.append(callback)

    async def fetch(self, query: str, *args: Any) -> list[Record]:
        """Run one statement in one round trip and return its rows."""
        return await self._connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> Record | None:
        """Run one statement in one round trip and return its first row, or None."""
        return await self._connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        """Run one statement in one round trip and return the first value, or None."""
        return await self._connection.fetchval(query, *args)

    async def execute(self, query: str, *args: Any) -> str:
        """Run one statement in one round trip and return its command tag."""
        return await self._connection.execute(query, *args)


async def commit(transaction: Transaction, following: Sequence[Callback]) -> None:
    """Commit, and do what follows. A transaction that nothing follows pays for nothing."""
    if following:
        await _to_the_end(_commit_and_follow(transaction, following))
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
    """Tell whether a commit failed for certain: refused, or never sent.

    After an ERROR the server goes on with the session, and has rolled back. What is FATAL, a broken
    connection or silence tells nothing.
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


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Wait for work to its end. A caller who is cancelled meanwhile is so afterwards.

    Threat: a client that leaves in the moment of the commit would take with it what follows.
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
    task.result()
