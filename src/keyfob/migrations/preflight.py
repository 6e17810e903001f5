"""The check, before a migration, that the schema can be created in this database.

PostgreSQL alone says "permission denied" without a remedy, and creates tables in a database that is
not in UTF-8, where names and addresses fail later.
"""

from typing import Any

import asyncpg
from alembic.util import CommandError

_FACTS = """
SELECT current_setting('server_encoding') AS encoding,
       current_database() AS database,
       current_user AS role,
       current_schema() AS schema,
       has_schema_privilege(current_schema(), 'CREATE') AS makes_tables,
       EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') AS has_trigrams,
       (SELECT bool_or(NOT superuser OR trusted) FROM pg_available_extension_versions
         WHERE name = 'pg_trgm') AS trusted,
       has_database_privilege(current_database(), 'CREATE') AS makes_extensions,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser
"""


async def refuse_unfit(connection: "asyncpg.Connection[Any]") -> None:
    """Check that this role can create the schema in this database.

    Raises:
        CommandError: it cannot; the message says why, and what to do.
    """
    facts = await connection.fetchrow(_FACTS)
    if facts is not None and (why := _why_not(facts)):
        raise CommandError(why)


def _why_not(facts: asyncpg.Record) -> str | None:
    role, database, schema = facts["role"], facts["database"], facts["schema"]
    if facts["encoding"] != "UTF8":
        return f"the database {database} is in {facts['encoding']} and should be in UTF8"
    if schema is None:
        return (
            "there is no schema to make tables in: CREATE SCHEMA public, or name one in the "
            "role's search_path"
        )
    if not facts["makes_tables"]:
        return (
            f"the role {role} may not make tables in the schema {schema}: GRANT CREATE ON SCHEMA "
            f"{schema} TO {role}, or let it own the database"
        )
    return None if facts["has_trigrams"] else _why_no_trigrams(facts)


def _why_no_trigrams(facts: asyncpg.Record) -> str | None:
    role, database = facts["role"], facts["database"]
    if facts["trusted"] is None:
        return "the server has no extension pg_trgm: install PostgreSQL's contrib package there"
    if not (facts["is_superuser"] or (facts["trusted"] and facts["makes_extensions"])):
        return (
            f"the role {role} may not make the extension pg_trgm: let a superuser run CREATE "
            f"EXTENSION pg_trgm in {database}, or GRANT CREATE ON DATABASE {database} TO {role}"
        )
    return None
