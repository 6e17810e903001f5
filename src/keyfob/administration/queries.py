"""SQL for the list of users, with keyset pagination, and for accounts that nobody has proven."""

from datetime import datetime
from typing import Any

from asyncpg import Record

from keyfob.accounts.models import Profile
from keyfob.administration.models import ListedUser, Sort, UserFilter
from keyfob.core.database import Executor
from keyfob.core.folding import fold
from keyfob.core.pagination import Place

MOST_COUNTED = 10_000

# For each order: its column, and the type that a cursor's text is cast to.
_ORDERS: dict[str, tuple[str, str]] = {
    "created_at": ("u.created_at", "timestamptz"),
    "last_active_at": ("a.last_active_at", "timestamptz"),
    "email": ("u.email_normal", "text"),
}

# The expression of the index `users_folded`.
_SEARCHED = "(coalesce(u.email_folded, u.email_normal) || ' ' || coalesce(u.name_folded, ''))"

# The fields of `Profile`, in their order.
_COLUMNS = """
    u.id, u.email, u.email_verified_at IS NOT NULL, u.name, u.role, u.status, u.locale, u.timezone,
    u.created_at, u.erase_at, NULLIF(a.last_active_at, '-infinity'), a.total_active_seconds
"""


def _conditions(wanted: UserFilter, online_since: datetime) -> tuple[list[str], list[Any]]:
    """Return the filter as SQL. Role and status are inlined, so that partial indexes apply."""
    conditions: list[str] = []
    values: list[Any] = []
    if wanted.search:
        pattern = fold(wanted.search)
        if not pattern.strip():  # such as an accent alone, which no name contains
            conditions.append("false")
        for special in "\\%_":
            pattern = pattern.replace(special, "\\" + special)
        values.append(f"%{pattern}%")
        conditions.append(f"{_SEARCHED} LIKE ${len(values)}")
    if wanted.role:
        conditions.append(f"u.role = '{wanted.role.value}'")
    if wanted.status:
        conditions.append(f"u.status = '{wanted.status.value}'")
    if wanted.online is not None:
        values.append(online_since)
        conditions.append(f"a.last_active_at {'>' if wanted.online else '<='} ${len(values)}")
    if wanted.never_proven:
        conditions.append("u.first_proven_at IS NULL")
    return conditions, values


async def list_users(
    db: Executor,
    wanted: UserFilter,
    sort: Sort,
    *,
    online_since: datetime,
    after: Place | None,
    skip: int,
    limit: int,
) -> list[ListedUser]:
    """Return one page of users."""
    conditions, values = _conditions(wanted, online_since)
    column, kind = _ORDERS[sort.removeprefix("-")]
    id_column = "a.user_id" if column.startswith("a.") else "u.id"
    descending = sort.startswith("-")
    if after:
        values += after
        place = f"(${len(values) - 1}::text::{kind}, ${len(values)}::text::uuid)"
        conditions.append(f"({column}, {id_column}) {'<' if descending else '>'} {place}")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "DESC" if descending else "ASC"
    values += [limit, skip]
    rows = await db.fetch(
        f"""
        SELECT {column}::text, {_COLUMNS}
          FROM users AS u JOIN user_activity AS a ON a.user_id = u.id
          {where}
         ORDER BY {column} {order}, {id_column} {order}
         LIMIT ${len(values) - 1} OFFSET ${len(values)}
        """,  # noqa: S608 - made of words of this file and placeholders
        *values,
    )
    return [ListedUser(place, Profile(*profile)) for place, *profile in rows]


async def count_users(db: Executor, wanted: UserFilter, online_since: datetime) -> int:
    """Count the users that match: exactly if the tallies suffice, else at most `MOST_COUNTED`."""
    if not wanted.search and wanted.online is None and not wanted.never_proven:
        amount = await db.fetchval(
            """
            SELECT coalesce(sum(amount), 0)::bigint FROM user_tallies
             WHERE ($1::text IS NULL OR role = $1) AND ($2::text IS NULL OR status = $2)
            """,
            wanted.role,
            wanted.status,
        )
        return int(amount)
    conditions, values = _conditions(wanted, online_since)
    counted = await db.fetchval(
        f"""
        SELECT count(*) FROM (
            SELECT FROM users AS u JOIN user_activity AS a ON a.user_id = u.id
             WHERE {" AND ".join(conditions)} LIMIT {MOST_COUNTED}
        ) AS matching
        """,  # noqa: S608 - made of words of this file and placeholders
        *values,
    )
    return int(counted)


async def list_unproven_with_factor(db: Executor, limit: int) -> tuple[int, list[str]]:
    """Count the never proven accounts that have a factor, and return the first addresses."""
    return _named(
        await db.fetch(
            """
        SELECT email_normal, count(*) OVER () AS amount FROM users AS u
         WHERE first_proven_at IS NULL
           AND id IN (SELECT user_id FROM factors WHERE confirmed_at IS NOT NULL)
         ORDER BY created_at, id LIMIT $1
        """,
            limit,
        )
    )


async def list_unverified_signed_in(
    db: Executor, now: datetime, limit: int
) -> tuple[int, list[str]]:
    """Count the accounts without a verified address that have live sessions, likewise."""
    return _named(
        await db.fetch(
            """
        SELECT email_normal, count(*) OVER () AS amount FROM users AS u
         WHERE email_verified_at IS NULL
           AND EXISTS (SELECT FROM sessions AS s
                        WHERE s.user_id = u.id AND s.ended_at IS NULL AND s.expires_at > $1)
         ORDER BY created_at, id LIMIT $2
        """,
            now,
            limit,
        )
    )


async def list_unproven_above_user(db: Executor, limit: int) -> tuple[int, list[str]]:
    """Count the never proven accounts with a higher role that registered themselves, likewise."""
    return _named(
        await db.fetch(
            """
        SELECT email_normal, count(*) OVER () AS amount FROM users
         WHERE first_proven_at IS NULL AND registered_itself AND role <> 'user'
         ORDER BY created_at, id LIMIT $1
        """,
            limit,
        )
    )


def _named(rows: list[Record]) -> tuple[int, list[str]]:
    return rows[0]["amount"] if rows else 0, [row["email_normal"] for row in rows]
