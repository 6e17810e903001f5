"""The embedded PostgreSQL: what `keyfob serve` uses when no database is configured."""

from keyfob.devdb.errors import DevDbError
from keyfob.devdb.server import EmbeddedPostgres

__all__ = ["DevDbError", "EmbeddedPostgres"]
