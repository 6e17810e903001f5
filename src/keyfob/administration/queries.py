"""SQL for the list of users, with keyset pagination, and for accounts that nobody has proven."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from keyfob.accounts.models import Profile, Status
from keyfob.administration.models import (
    MOST_COUNTED,
    Consequences,
    Factor,
    ListedUser,
    Part,
    Person,
    UserFilter,
)
from keyfob.authority.models import Role
from keyfob.core.database import Executor
from keyfob.core.folding import fold

# For each order: its column, and the type that a cursor's text is cast to.
_ORDERS: dict[str, tuple[str, str]] = {
    "created_at": ("u.created_at", "timestamptz"),
    "last_active_at": ("a.last_active_at", "timestamptz"),
    "email": ("u.email_normal", "text"),
}

# The expression of the index `users_folded`.
_SEARCHED = "(coalesce(u.email_folded, u.email_normal) || ' ' || coalesce(u.name_folded, ''))"

# The fields of `ListedUser` after its place, in their order.
_COLUMNS = """
    u.has_totp OR u.has_passkey,
    u.id, u.email, u.email_verified_at IS NOT NULL, u.name, u.role, u.status, u.locale, u.timezone,
    u.created_at, u.erase_at, NULLIF(a.last_active_at, '-infinity'), a.total_active_seconds
"""

# Written as in the partial indexes of revision 0019.
_WITH_FACTOR = {
    Factor.NONE: "NOT (u.has_totp OR u.has_passkey)",
    Factor.ANY: "(u.has_totp OR u.has_passkey)",
    Factor.TOTP: "u.has_totp",
    Factor.PASSKEY: "u.has_passkey",
}


def _conditions(wanted: UserFilter, online_since: datetime) -> tuple[list[str], list[Any]]:
    """Return the filter as SQL.

    What indexes depend on is inlined: for partial ones, and because PostgreSQL would choose a plan
    for any moment, which reads a whole index to find the few users of the last hour.
    """
    conditions, values = _searched(wanted.search)
    conditions += _within(wanted)
    if wanted.role:
        conditions.append(f"u.role = '{wanted.role.value}'")
    if wanted.status:
        conditions.append(f"u.status = '{wanted.status.value}'")
    if wanted.online is not None:
        values.append(online_since)
        conditions.append(f"a.last_active_at {'>' if wanted.online else '<='} ${len(values)}")
    if wanted.never_proven:
        conditions.append("u.first_proven_at IS NULL")
    if wanted.verified is not None:
        conditions.append(f"u.email_verified_at IS {'NOT ' if wanted.verified else ''}NULL")
    if wanted.factor:
        conditions.append(_WITH_FACTOR[wanted.factor])
    return conditions, values


def _within(wanted: UserFilter) -> list[str]:
    bounds = (
        ("u.created_at >=", wanted.created_after),
        ("u.created_at <", wanted.created_before),
        ("a.last_active_at >=", wanted.active_after),
    )
    return [
        f"{column} '{moment.astimezone(UTC).isoformat()}'" for column, moment in bounds if moment
    ]


def _searched(text: str | None) -> tuple[list[str], list[Any]]:
    if not text:
        return [], []
    pattern = fold(text)
    # Such as an accent alone, which no name contains.
    conditions = [] if pattern.strip() else ["false"]
    for special in "\\%_":
        pattern = pattern.replace(special, "\\" + special)
    return [*conditions, f"{_SEARCHED} LIKE $1"], [f"%{pattern}%"]


async def list_users(
    db: Executor, wanted: UserFilter, part: Part, online_since: datetime
) -> list[ListedUser]:
    """Return a part of the list by walking along its order, for filters that match many."""
    conditions, values = _conditions(wanted, online_since)
    column = _ORDERS[part.sort.removeprefix("-")][0]
    row_id = "a.user_id" if column.startswith("a.") else "u.id"
    conditions += _beyond(part, f"{column}, {row_id}", values)
    rows = await db.fetch(
        f"""
        SELECT {column}::text, {_COLUMNS}
          FROM users AS u JOIN user_activity AS a ON a.user_id = u.id
          {_where(conditions)}
         {_cut(part, column, row_id, values)}
        """,  # noqa: S608 - made of words of this file, moments and placeholders
        *values,
    )
    return _listed(part, rows)


async def list_few_users(
    db: Executor, wanted: UserFilter, part: Part, online_since: datetime
) -> tuple[list[ListedUser], int]:
    """Return a part of the list, and the number of users that match.

    If that is greater than `MOST_COUNTED`, the rows are any. All that match are sorted: along an
    index of the order, it could take seconds until the few that match are met.
    """
    conditions, values = _conditions(wanted, online_since)
    column = _ORDERS[part.sort.removeprefix("-")][0]
    beyond = _beyond(part, "key, id", values)
    rows = await db.fetch(
        f"""
        WITH matching AS MATERIALIZED (
            SELECT u.id, {column} AS key
              FROM {_tables_of([column, *conditions])} {_where(conditions)}
             LIMIT {MOST_COUNTED + 1}
        ), page AS MATERIALIZED (
            SELECT id, key FROM matching {_where(beyond)} {_cut(part, "key", "id", values)}
        )
        SELECT amount, key::text, {_COLUMNS}
          FROM (SELECT count(*) AS amount FROM matching) AS counted
          LEFT JOIN (page JOIN users AS u USING (id) JOIN user_activity AS a ON a.user_id = id)
            ON true
         ORDER BY key {_direction(part)}, id {_direction(part)}
        """,  # noqa: S608 - as above
        *values,
    )
    found = [row[1:] for row in rows if row[1] is not None]
    return _listed(part, found), int(rows[0]["amount"])


def _direction(part: Part) -> str:
    return "DESC" if part.sort.startswith("-") is (part.before is None) else "ASC"


def _beyond(part: Part, key: str, values: list[Any]) -> list[str]:
    """Return the condition that a row, by its key and id, comes after the place or before it."""
    place = part.after or part.before
    if not place:
        return []
    values += place
    kind = _ORDERS[part.sort.removeprefix("-")][1]
    than = f"(${len(values) - 1}::text::{kind}, ${len(values)}::text::uuid)"
    return [f"({key}) {'<' if _direction(part) == 'DESC' else '>'} {than}"]


def _cut(part: Part, key: str, row_id: str, values: list[Any]) -> str:
    values += [part.limit, part.skip]
    return (
        f"ORDER BY {key} {_direction(part)}, {row_id} {_direction(part)}"
        f" LIMIT ${len(values) - 1} OFFSET ${len(values)}"
    )


def _listed(part: Part, rows: Sequence[Any]) -> list[ListedUser]:
    found = [ListedUser(key, Profile(*profile), factor) for key, factor, *profile in rows]
    return found[::-1] if part.before else found


def _where(conditions: list[str]) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


async def list_ids(
    db: Executor, wanted: UserFilter, online_since: datetime, limit: int
) -> list[UUID]:
    """Return the ids of users that match a filter, the oldest first."""
    conditions, values = _conditions(wanted, online_since)
    rows = await db.fetch(
        f"""
        SELECT u.id FROM {_tables_of(conditions)} {_where(conditions)}
         ORDER BY u.created_at, u.id LIMIT {limit}
        """,  # noqa: S608 - as above
        *values,
    )
    return [row["id"] for row in rows]


async def list_people(db: Executor, ids: Sequence[UUID]) -> dict[UUID, Person]:
    """Return the names and addresses of those of some users that there are."""
    rows = await db.fetch("SELECT id, name, email FROM users WHERE id = ANY ($1::uuid[])", ids)
    return {row["id"]: Person(row["name"], row["email"]) for row in rows}


async def count_consequences(db: Executor, ids: Sequence[UUID], now: datetime) -> Consequences:
    """Count what lives of these users."""
    (row,) = await db.fetch(
        """
        SELECT (SELECT count(*) FROM users WHERE id = ANY ($1::uuid[])),
               (SELECT count(*) FROM users AS u WHERE id = ANY ($1::uuid[])
                   AND (role <> 'user' OR EXISTS (
                        SELECT FROM user_roles AS r WHERE r.user_id = u.id
                           AND (r.expires_at IS NULL OR r.expires_at > $2)))),
               (SELECT count(*) FROM sessions
                 WHERE user_id = ANY ($1::uuid[]) AND ended_at IS NULL AND expires_at > $2),
               (SELECT count(*) FROM api_keys
                 WHERE user_id = ANY ($1::uuid[]) AND revoked_at IS NULL AND expires_at > $2)
        """,
        ids,
        now,
    )
    return Consequences(*row)


async def read_tally(db: Executor, role: Role | None, status: Status | None) -> int:
    """Return the number of users of a role and a status; None is any."""
    amount = await db.fetchval(
        """
        SELECT coalesce(sum(amount), 0)::bigint FROM user_tallies
         WHERE ($1::text IS NULL OR role = $1) AND ($2::text IS NULL OR status = $2)
        """,
        role,
        status,
    )
    return int(amount)


async def count_users(db: Executor, wanted: UserFilter, online_since: datetime) -> int:
    """Count the users that match a filter, up to one more than `MOST_COUNTED`."""
    conditions, values = _conditions(wanted, online_since)
    counted = await db.fetchval(
        f"""
        SELECT count(*) FROM (
            SELECT FROM {_tables_of(conditions)} {_where(conditions)} LIMIT {MOST_COUNTED + 1}
        ) AS matching
        """,  # noqa: S608 - as above
        *values,
    )
    return int(counted)


def _tables_of(words: list[str]) -> str:
    """Return the tables that conditions or columns need: every user has a row in both."""
    if any("a.last_active_at" in one for one in words):
        return "users AS u JOIN user_activity AS a ON a.user_id = u.id"
    return "users AS u"


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


async def list_unproven_above_user(
    db: Executor, now: datetime, limit: int
) -> tuple[int, list[str]]:
    """Count the never proven accounts above `user` that registered themselves, likewise."""
    return _named(
        await db.fetch(
            """
        SELECT email_normal, count(*) OVER () AS amount FROM users AS u
         WHERE first_proven_at IS NULL AND registered_itself
           AND (role <> 'user' OR EXISTS (
                SELECT FROM user_roles AS r
                 WHERE r.user_id = u.id AND (r.expires_at IS NULL OR r.expires_at > $1)))
         ORDER BY created_at, id LIMIT $2
        """,
            now,
            limit,
        )
    )


def _named(rows: list[Record]) -> tuple[int, list[str]]:
    return rows[0]["amount"] if rows else 0, [row["email_normal"] for row in rows]
