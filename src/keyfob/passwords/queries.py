"""SQL about the forms of stored hashes. It reads `users`, and writes nothing."""

from typing import NamedTuple
from uuid import UUID

from keyfob.core.database import Executor

_MOST_FORMS = 64


class StoredForm(NamedTuple):
    """A form of hash, by an example, and the number of accounts with it."""

    example: str
    accounts: int


class StoredHash(NamedTuple):
    """An account's hash."""

    id: UUID
    email_normal: str
    password_hash: str


async def list_stored_forms(db: Executor, *, most_blocks: int = 512) -> list[StoredForm]:
    """Return each form of hash.

    Only part of a large table is read, by default about 15,000 accounts, which takes a tenth of a
    second. Each time and in every worker these are the same blocks, so that two counts differ only
    by actual changes. Hashes of one form differ in the runs of base64 or hex that are salt and
    digest; the numbers between are shorter.
    """
    blocks: int = await db.fetchval("SELECT pg_relation_size('users') / 8192")
    halvings = 0
    while blocks >> halvings > most_blocks:
        halvings += 1
    rows = await db.fetch(
        """
        SELECT min(password_hash) AS example, count(*) AS accounts
          FROM users TABLESAMPLE SYSTEM ($1) REPEATABLE (0)
         WHERE password_hash IS NOT NULL
         GROUP BY regexp_replace(password_hash, '[A-Za-z0-9+/.=]{9,}', '', 'g')
         ORDER BY accounts DESC
         LIMIT $2
        """,
        100 / 2**halvings,
        _MOST_FORMS,
    )
    return [StoredForm(**row) for row in rows]


async def list_hashes(db: Executor, after: UUID, limit: int) -> list[StoredHash]:
    """Return the next accounts that have a hash, by id."""
    rows = await db.fetch(
        """
        SELECT id, email_normal, password_hash FROM users
         WHERE id > $1 AND password_hash IS NOT NULL
         ORDER BY id LIMIT $2
        """,
        after,
        limit,
    )
    return [StoredHash(**row) for row in rows]
