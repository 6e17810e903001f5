"""Start-up: the secret key, the database, the schema and the first administrator."""

from keyfob.boot.database import (
    CannotMigrate,
    database_of,
    migrate,
    schema_is_current,
    schema_revision,
    see_that_both_urls_agree,
    see_that_sessions_are_kept,
)
from keyfob.boot.secret_key import resolve_secret_key
from keyfob.boot.starting import (
    check_first_admin,
    complete,
    open_keys,
    prepare,
    services_of,
    told_as,
)

__all__ = [
    "CannotMigrate",
    "check_first_admin",
    "complete",
    "database_of",
    "migrate",
    "open_keys",
    "prepare",
    "resolve_secret_key",
    "schema_is_current",
    "schema_revision",
    "see_that_both_urls_agree",
    "see_that_sessions_are_kept",
    "services_of",
    "told_as",
]
