"""What many refreshes do to the size of tables and indexes, and to latency."""

import asyncio

import asyncpg

from bench.harness import figures, servers
from bench.harness.clients import refreshes
from bench.harness.load import run_clients


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with servers.keyfob(dsn, BCRYPT_COST=4, LIMIT_REFRESH="1000000/minute") as ours:
        first = run_clients(servers.HOST, ours.port, refreshes, 64, seconds)
        before = asyncio.run(_size(dsn))
        count = 0
        last = first
        for _ in range(rounds):
            last = run_clients(servers.HOST, ours.port, refreshes, 64, 3 * seconds)
            count += len(last.latencies)
        after = asyncio.run(_size(dsn))
    report.add(
        "size of sessions after refreshes / before",
        [after / before],
        2,
        f"{count} refreshes; {before / 1e3:.0f} kB, then {after / 1e3:.0f} kB",
        at_most=True,
    )
    report.add(
        "latency of refresh, the last / the first, p50",
        [last.percentile(0.5) / first.percentile(0.5)],
        1.5,
        "",
        at_most=True,
    )


async def _size(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    size: int = await connection.fetchval("SELECT pg_total_relation_size('sessions')")
    await connection.close()
    return size
