"""Logins beyond the queue's budget are told to come back at once; those who left cost no more."""

import asyncio
import os
import time

from bench.harness import figures, processes, servers
from bench.harness.clients import PASSWORD, refused_logins
from bench.harness.load import Connection, request, run_clients
from bench.limit import raw

COST = 12
LEAVING = 16
_UNTIL_ALL_WAIT = 0.3
_WATCHED = 3.0  # longer than hashing for all who left would take


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with servers.keyfob(dsn, BCRYPT_COST=COST, HASHING_BUDGET=0.5) as ours:
        slowest: list[float] = []
        shed = 0
        for _ in range(rounds):
            result = run_clients(servers.HOST, ours.port, refused_logins, 64, seconds)
            assert set(result.statuses) == {401, 503}, result.statuses
            slowest.append(sorted(result.shed)[int(len(result.shed) * 0.99)] * 1000)
            shed += len(result.shed)
        report.add(
            "login beyond the budget, answer 503, p99",
            slowest,
            100,
            f"{shed} shed of 64 clients at once, each with Retry-After",
            at_most=True,
            unit=" ms",
        )
    with servers.keyfob(dsn, BCRYPT_COST=COST, HASHING_BUDGET=30) as ours:
        cores = len(os.sched_getaffinity(0))
        one_hash = cores / raw.bcrypt_rate(COST, seconds)
        hashed = [asyncio.run(_hashed_for_the_departed(ours)) for _ in range(rounds)]
    report.add(
        "hashing goes on for those who left, in hash times",
        [used / cores / one_hash for used in hashed],
        2,
        f"{LEAVING} logins left at once; a hash takes {one_hash:.2f} s of {cores} cores",
        at_most=True,
        noise=figures.NOISE_OF_TAILS,
    )


async def _hashed_for_the_departed(server: servers.Server) -> float:
    """Begin logins, leave, and return the CPU seconds that the server then still uses."""
    wire = request("POST", "/login", body={"email": "nobody@example.com", "password": PASSWORD})
    connections = [Connection(servers.HOST, server.port) for _ in range(LEAVING)]
    waiting = [asyncio.create_task(connection.send(wire)) for connection in connections]
    await asyncio.sleep(_UNTIL_ALL_WAIT)
    assert sum(task.done() for task in waiting) < LEAVING // 2, "too few were left waiting"
    for connection, task in zip(connections, waiting, strict=True):
        task.cancel()
        connection.close()
    await asyncio.gather(*waiting, return_exceptions=True)
    before = processes.cpu_seconds(server.process.pid)
    time.sleep(_WATCHED)  # noqa: ASYNC251 - nothing else is to happen
    return processes.cpu_seconds(server.process.pid) - before
