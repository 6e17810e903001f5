"""Fills a migrated database with people, their sessions and their login log, in minutes.

Rows are made by the database itself. Indexes that are no constraint, and the trigger that tallies
users, are put aside meanwhile and made anew from their own definitions, so nothing of the schema is
repeated here.
"""

import asyncio
import datetime as dt
from contextlib import suppress
from dataclasses import dataclass

import asyncpg

MONTHS = 12  # of the login log, this one included


@dataclass(frozen=True)
class Population:
    """The number of each kind of row; sessions and events are spread evenly over the users."""

    users: int
    sessions: int = 0
    login_events: int = 0


# Everybody has proven an address at some time, one in two has now, and one in three of these has an
# app for codes.
_USERS = """
WITH made AS (
    INSERT INTO users (id, email, email_normal, name, name_folded, password_hash, created_at,
                       updated_at, first_proven_at, email_verified_at, has_totp)
    SELECT uuidv7(-n * interval '1 second'), address, address,
           left(md5(-n || ''), 6) || ' ' || left(address, 5),
           left(md5(-n || ''), 6) || ' ' || left(address, 5),
           '-', now() - n * interval '1 second', now(), now(),
           CASE WHEN n % 2 = 0 THEN now() END, n % 6 = 0
      FROM generate_series(1, $1::int) AS n,
           LATERAL (SELECT left(md5(n || ''), 10) || '@' || n % 97 || '.example') AS a (address)
    RETURNING id
)
INSERT INTO user_activity (user_id, last_active_at)
SELECT id, now() - random() * interval '30 days' FROM made
"""

# One in ten sessions has ended; the others are live.
_SESSIONS = """
INSERT INTO sessions (id, user_id, role, secret_hash, rotated_at, last_activity_at, expires_at,
                      ended_at, end_reason, amr, auth_time, login_at, ip_address, device_type,
                      browser, os)
SELECT uuidv7(-age), u.id, 'user', sha256(u.id::text::bytea), now() - age, now() - age,
       now() - age + interval '90 days', CASE WHEN n % 10 = 0 THEN now() - age END,
       CASE WHEN n % 10 = 0 THEN 'logout' END, '{pwd}', now() - age, now() - age,
       '10.0.0.0'::inet + n % 1000000, 'desktop', 'Firefox 140', 'Linux'
  FROM numbered AS u,
       generate_series(u.number, $1::int, $2::int) AS n,
       LATERAL (SELECT n * (interval '10 days' / $1::int)) AS a (age)
"""

# One in five attempts was refused.
_EVENTS = """
INSERT INTO login_events (id, at, user_id, outcome, reason, ip_address, device_type, browser, os)
SELECT uuidv7(at - now()), at, u.id,
       CASE WHEN n % 5 = 0 THEN 'refused' ELSE 'succeeded' END,
       CASE WHEN n % 5 = 0 THEN 'wrong_password' ELSE 'password' END,
       '10.0.0.0'::inet + n % 1000000, 'desktop', 'Firefox 140', 'Linux'
  FROM generate_series(1, $1::int) AS n
  JOIN numbered AS u ON u.number = 1 + n % $2::int,
       LATERAL (SELECT now() - n * ($3::interval / $1::int)) AS a (at)
"""

_INDEXES = """
SELECT i.indexrelid::regclass::text AS name,
       replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') AS definition
  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
 WHERE i.indrelid = ANY ($1::regclass[]) AND NOT c.relispartition
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
"""

_TABLES = ("users", "user_activity", "sessions", "login_events")


def fill(dsn: str, population: Population) -> None:
    """Add them to a database that Keyfob has migrated and that has only its administrator."""
    asyncio.run(_fill(dsn, population))


async def _fill(dsn: str, population: Population) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '128MB'")
    indexes = await connection.fetch(_INDEXES, list(_TABLES))
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    await _make_months(connection)
    await _insert(connection, population)
    for index in indexes:
        await connection.execute(index["definition"])
    for table in _TABLES:
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    with suppress(asyncpg.InsufficientPrivilegeError):  # the embedded server's role is no superuser
        await connection.execute("CHECKPOINT")
    await connection.close()


async def _insert(connection: "asyncpg.Connection", population: Population) -> None:
    users = population.users
    await connection.execute("ALTER TABLE users DISABLE TRIGGER users_tally_rows")
    await connection.execute(_USERS, users)
    await connection.execute("ALTER TABLE users ENABLE TRIGGER users_tally_rows")
    await connection.execute(
        "INSERT INTO user_tallies (role, status, slot, amount) VALUES ('user', 'active', 0, $1) "
        "ON CONFLICT (role, status, slot) DO UPDATE SET amount = user_tallies.amount + $1",
        users,
    )
    await connection.execute(
        "CREATE TEMPORARY TABLE numbered AS SELECT id, row_number() OVER ()::int AS number "
        "FROM users WHERE role = 'user'; ANALYZE numbered"
    )
    if population.sessions:
        await connection.execute(_SESSIONS, population.sessions, users)
    if population.login_events:
        spread = dt.timedelta(days=30 * (MONTHS - 1))
        await connection.execute(_EVENTS, population.login_events, users, spread)


async def _make_months(connection: "asyncpg.Connection") -> None:
    """Make the partitions of the months gone by; Keyfob makes those of now and to come."""
    first = await connection.fetchval("SELECT date_trunc('month', now() AT TIME ZONE 'UTC')::date")
    for _ in range(MONTHS):
        following, first = first, (first - dt.timedelta(days=1)).replace(day=1)
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS login_events_{first:%Y_%m} PARTITION OF login_events "
            f"FOR VALUES FROM ('{first} 00:00+00') TO ('{following} 00:00+00')"
        )
