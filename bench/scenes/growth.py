"""The effect of many refreshes on the size of tables and indexes, and on latency."""

import asyncio
import multiprocessing

import asyncpg

from bench.harness import figures, servers
from bench.harness.clients import RefreshesMany
from bench.harness.load import start_clients

CLIENTS = 16
SESSIONS = 60  # of each client


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with (
        servers.keyfob(dsn, BCRYPT_COST=4, LIMIT_REFRESH="1000000/minute") as ours,
        multiprocessing.get_context("spawn").Pool(1) as pool,
    ):
        running = start_clients(
            pool, servers.HOST, ours.port, RefreshesMany(SESSIONS), CLIENTS, 3 * rounds * seconds
        )
        before = asyncio.run(_size_once_refreshing(dsn))
        result = running.get()
        after = asyncio.run(_size(dsn))
    report.add(
        "size of sessions after refreshes / before",
        [after / before],
        2,
        f"{len(result.latencies)} refreshes; {before / 1e3:.0f} kB, then {after / 1e3:.0f} kB",
        at_most=True,
    )
    tenth = len(result.latencies) // 10
    first, last = sorted(result.latencies[:tenth]), sorted(result.latencies[-tenth:])
    report.add(
        "latency of refresh, the last tenth / the first, p50",
        [last[tenth // 2] / first[tenth // 2]],
        1.5,
        "",
        at_most=True,
        noise=figures.NOISE_OF_TAILS,
    )


async def _size_once_refreshing(dsn: str) -> int:
    """Wait until every session is there and has been refreshed at least once."""
    connection = await asyncpg.connect(dsn)
    while await connection.fetchval(
        "SELECT count(*) < $1 OR min(generation) = 0 FROM sessions", CLIENTS * SESSIONS
    ):
        await asyncio.sleep(0.05)
    await connection.close()
    return await _size(dsn)


async def _size(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    size: int = await connection.fetchval("SELECT pg_total_relation_size('sessions')")
    await connection.close()
    return size
