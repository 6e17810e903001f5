"""A million refreshes over ten thousand sessions: size of tables and indexes, and latency."""

import asyncio

import asyncpg

from bench.harness import cluster, figures, servers
from bench.harness.clients import RefreshesMany
from bench.harness.crew import crew

REFRESHES = 1_000_000
CLIENTS = 16
SESSIONS = 625  # of each client
TABLE = "growth"
_TENTHS = 10


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    # A run of less than two seconds a side is a trial; the detail says how many it did.
    tenth = int(REFRESHES / _TENTHS * min(1.0, seconds / 2))
    with cluster.temporary() as postgres:
        dsn = postgres.create("growth")
        with (
            servers.keyfob(dsn, BCRYPT_COST=4, LIMIT_REFRESH="1000000/minute") as ours,
            crew(servers.HOST, ours.port, RefreshesMany(SESSIONS)) as clients,
        ):
            clients.prepare(CLIENTS)
            clients.run(CLIENTS, 600, CLIENTS * SESSIONS)  # each session once
            sizes = [asyncio.run(size(dsn))]
            p50, p99 = [], []
            for number in range(1, _TENTHS + 1):
                result = clients.run(CLIENTS, 600, tenth)
                assert len(result.latencies) >= tenth, "the refreshes take longer than ten minutes"
                assert not result.failed, result.statuses
                sizes.append(asyncio.run(size(dsn)))
                p50.append(result.percentile(0.5) * 1000)
                p99.append(result.percentile(0.99) * 1000)
                report.figure(TABLE, "refresh", "p50", "ms", p50[-1:], at=number)
                report.figure(TABLE, "refresh", "p99", "ms", p99[-1:], at=number)
    for number, (_, total) in enumerate(sizes):
        report.figure(TABLE, "tables and indexes", "size", "MB", [total / 1e6], at=number)
    done = f"{_TENTHS * tenth} refreshes over {CLIENTS * SESSIONS} sessions"
    report.add(
        "size after a million refreshes / before",
        [sizes[-1][0] / sizes[0][0]],
        2,
        f"{done}; sessions {sizes[0][0] / 1e6:.1f} MB, then {sizes[-1][0] / 1e6:.1f} MB",
        at_most=True,
    )
    report.add(
        "latency by tenths, the last / the first, p50",
        [p50[-1] / p50[0]],
        1.5,
        done,
        at_most=True,
        noise=figures.NOISE_OF_TAILS,
    )


async def size(dsn: str) -> tuple[int, int]:
    """The size of `sessions` with its indexes, and of all tables of Keyfob, in bytes."""
    connection = await asyncpg.connect(dsn)
    row = await connection.fetchrow(
        """
        SELECT pg_total_relation_size('sessions'), sum(pg_total_relation_size(oid))::bigint
          FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        """
    )
    await connection.close()
    assert row is not None
    return row[0], row[1]
