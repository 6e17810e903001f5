"""The ways in which PostgreSQL can be away, and the one refusal that they become."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from keyfob.core.hosts import CannotConnect
from keyfob.core.problems import DatabaseUnavailable

# What PostgreSQL says when it is away, full, or cannot write: the caller should come back later.
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
    # Of a pooler that does not keep what was prepared in a session.
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
)


@contextmanager
def translated_faults() -> Iterator[None]:
    """Turn every way in which PostgreSQL can be away into `DatabaseUnavailable`."""
    try:
        yield
    except AWAY as fault:
        raise translated(fault) from fault


def translated(fault: BaseException) -> BaseException:
    """Return what to raise in place of a fault of `AWAY`."""
    # asyncpg's DataError is an InterfaceError too: an argument of the wrong type, a bug of ours.
    return fault if isinstance(fault, ValueError) else DatabaseUnavailable()
