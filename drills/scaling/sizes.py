"""The space of a user, a session and a sign-in on disk, with indexes, for the capacity table."""

import asyncio

import asyncpg
from bench.harness import population
from bench.harness.cluster import temporary

from drills.harness.crowd import FULL, Size
from drills.harness.outcome import Outcome
from drills.scaling.fleet import fleet

_MANY, _FEW = 100_000, 10_000

# A filled database has "-" for every password; a real hash is as long as the administrator's.
_SIZES = """
SELECT (pg_total_relation_size('users') + pg_total_relation_size('user_activity'))::float8
           / (SELECT count(*) FROM users)
           + (SELECT max(length(password_hash)) FROM users WHERE role = 'admin') AS user,
       pg_total_relation_size('sessions')::float8
           / (SELECT count(*) FROM sessions) AS session,
       (SELECT sum(pg_total_relation_size(relid))
          FROM pg_partition_tree('login_events'))::float8
           / (SELECT count(*) FROM login_events) AS "login event"
"""


async def row_sizes(size: Size) -> Outcome:
    """Bytes on disk a user, a session and a login event, indexes and free space included."""
    users = _MANY if size == FULL else _FEW
    people = population.Population(users, 3 * users, 10 * users)
    with temporary({"max_wal_size": "4GB"}) as cluster:
        async with fleet(cluster.dsn(), 1):
            pass  # its start made the tables
        await asyncio.to_thread(population.fill, cluster.dsn(), people)
        connection = await asyncpg.connect(cluster.dsn())
        row = await connection.fetchrow(_SIZES)
        await connection.close()
    assert row is not None
    told = ", ".join(f"{value:.0f} a {name}" for name, value in row.items())
    return Outcome(
        did=f"filled a database with {users:,} users, three sessions and ten sign-ins each",
        notes=[f"bytes on disk: {told}"],
        figures=dict(row.items()),
    )
