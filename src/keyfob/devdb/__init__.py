"""The embedded PostgreSQL, which `keyfob serve` uses if no database is configured."""

from keyfob.devdb.errors import DevDbError
from keyfob.devdb.server import EmbeddedPostgres

__all__ = ["DevDbError", "EmbeddedPostgres"]
