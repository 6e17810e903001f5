"""Refresh over HTTP beside the same statement from bare asyncpg, and beside a bare ASGI app."""

import asyncio

from bench.harness import cluster, figures, processes, servers
from bench.harness.clients import BareRefreshes, refreshes
from bench.harness.load import Client, run_clients
from bench.limit import raw

CLIENTS = 8
TABLE = "refresh, 8 clients, one machine"
COMMIT_WAIT = {"commit_delay": "1000", "commit_siblings": "0"}  # microseconds


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with (
        servers.keyfob(dsn, BCRYPT_COST=4, LIMIT_REFRESH="1000000/minute") as ours,
        servers.bare(dsn) as bare,
    ):
        cpu: dict[str, list[float]] = {"ours": [], "bare": []}
        ours_rate, bare_rate, raw_rate = figures.in_turn(
            rounds,
            lambda: _over_http(ours, refreshes, seconds, cpu["ours"]),
            lambda: _over_http(bare, bare_clients(dsn, CLIENTS), seconds, cpu["bare"]),
            lambda: _bare_statement(dsn, seconds),
        )
    report.add(
        "refresh / bare asyncpg, rate",
        figures.ratios(ours_rate, raw_rate),
        0.70,
        f"{min(ours_rate):.0f} to {max(ours_rate):.0f}/s over HTTP, {CLIENTS} clients",
        at_most=False,
    )
    report.add(
        "refresh / bare ASGI app, rate",
        figures.ratios(ours_rate, bare_rate),
        0.70,
        f"bare {min(bare_rate):.0f} to {max(bare_rate):.0f}/s",
        at_most=False,
    )
    report.add(
        "refresh / bare ASGI app, server CPU",
        figures.ratios(cpu["ours"], cpu["bare"]),
        1.2,
        f"{min(cpu['ours']):.3f} to {max(cpu['ours']):.3f} ms a request, "
        f"bare {min(cpu['bare']):.3f} to {max(cpu['bare']):.3f}",
        at_most=True,
    )
    report.add("refresh, server CPU", cpu["ours"], 0.45, "", at_most=True, unit=" ms")
    for side, rates in (("Keyfob", ours_rate), ("bare ASGI", bare_rate), ("asyncpg", raw_rate)):
        report.figure(TABLE, side, "rate", "/s", rates)
    _where_commits_wait(report, rounds, seconds)


def bare_clients(dsn: str, count: int) -> BareRefreshes:
    """Clients of the bare app, on rows that nobody has used."""
    rows = asyncio.run(raw.make_sessions(dsn, count))
    return BareRefreshes([(str(key), secret.hex()) for key, secret in rows])


def _where_commits_wait(report: figures.Report, rounds: int, seconds: float) -> None:
    """The same two sides where a commit waits for its disk, as it does on a common cloud disk."""
    with cluster.temporary(COMMIT_WAIT) as postgres:
        dsn = postgres.create("waiting")
        with servers.keyfob(dsn, BCRYPT_COST=4, LIMIT_REFRESH="1000000/minute") as ours:
            ours_rate, raw_rate = figures.in_turn(
                rounds,
                lambda: _over_http(ours, refreshes, seconds, []),
                lambda: _bare_statement(dsn, seconds),
            )
    report.add(
        "refresh / bare asyncpg, rate, commit waits 1 ms",
        figures.ratios(ours_rate, raw_rate),
        0.70,
        f"{min(ours_rate):.0f} to {max(ours_rate):.0f}/s over HTTP; the wait is simulated by "
        "PostgreSQL's commit_delay, as a common cloud disk takes to write",
        at_most=False,
    )
    report.figure(TABLE, "Keyfob, commit waits 1 ms", "rate", "/s", ours_rate)
    report.figure(TABLE, "asyncpg, commit waits 1 ms", "rate", "/s", raw_rate)


def _over_http(server: servers.Server, client: Client, seconds: float, cpu: list[float]) -> float:
    before = processes.cpu_seconds(server.process.pid)
    result = run_clients(servers.HOST, server.port, client, CLIENTS, seconds)
    used = processes.cpu_seconds(server.process.pid) - before
    cpu.append(used / len(result.latencies) * 1000)
    assert set(result.statuses) == {200}, result.statuses
    return result.rate


def _bare_statement(dsn: str, seconds: float) -> float:
    return asyncio.run(raw.rotation_rate(dsn, CLIENTS, seconds))
