"""The errors that mean PostgreSQL is not available, and the one refusal that they become."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from keyfob.core.hosts import CannotConnect
from keyfob.core.problems import DatabaseUnavailable

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
