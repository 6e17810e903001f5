"""Refresh over HTTP beside the same statement from bare asyncpg, and beside a bare ASGI app."""

import asyncio

from bench.harness import cluster, figures, processes, servers
from bench.harness.clients import BareRefreshes, refreshes
from bench.harness.crew import Crew, crew
from bench.limit import raw

FEW, MANY = 8, 32  # clients
TABLE = "refresh, one machine"
_WARM_UP_SECONDS = 3.0
COMMIT_WAIT = {"commit_delay": "1000", "commit_siblings": "0"}  # microseconds

Side = tuple[servers.Server, Crew]


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with (
        servers.keyfob(dsn, BCRYPT_COST=4, LIMIT_REFRESH="1000000/minute") as ours,
        servers.bare(dsn) as bare,
        crew(servers.HOST, ours.port, refreshes) as our_clients,
        crew(servers.HOST, bare.port, bare_clients(dsn, MANY)) as their_clients,
    ):
        for clients in (our_clients, their_clients):
            _make_ready(clients, MANY)
        for amount in (FEW, MANY):
            _beside_bare(
                report, (ours, our_clients), (bare, their_clients), dsn, amount, rounds, seconds
            )
    _where_commits_wait(report, rounds, seconds)


def _beside_bare(
    report: figures.Report,
    ours: Side,
    bare: Side,
    dsn: str,
    clients: int,
    rounds: int,
    seconds: float,
) -> None:
    cpu: dict[str, list[float]] = {"ours": [], "bare": []}
    ours_rate, bare_rate, raw_rate = figures.in_turn(
        rounds,
        lambda: _over_http(ours, clients, seconds, cpu["ours"]),
        lambda: _over_http(bare, clients, seconds, cpu["bare"]),
        lambda: _bare_statement(dsn, clients, seconds),
    )
    sides = {"Keyfob": ours_rate, "bare ASGI": bare_rate, "asyncpg": raw_rate}
    for side, rates in sides.items():
        report.figure(TABLE, side, "rate", "/s", rates, at=clients)
    report.add(
        f"refresh / bare ASGI app, {clients} clients, rate",
        figures.ratios(ours_rate, bare_rate),
        0.85,
        f"{min(ours_rate):.0f} to {max(ours_rate):.0f}/s, "
        f"bare {min(bare_rate):.0f} to {max(bare_rate):.0f}/s",
        at_most=False,
    )
    report.add(
        f"refresh / bare ASGI app, {clients} clients, server CPU",
        figures.ratios(cpu["ours"], cpu["bare"]),
        1.25,
        f"{min(cpu['ours']):.3f} to {max(cpu['ours']):.3f} ms a request, "
        f"bare {min(cpu['bare']):.3f} to {max(cpu['bare']):.3f}",
        at_most=True,
    )
    if clients == FEW:
        report.add("refresh, server CPU", cpu["ours"], 0.45, "", at_most=True, unit=" ms")
        report.add(
            "refresh / bare asyncpg, rate",
            figures.ratios(ours_rate, raw_rate),
            0.70,
            f"{min(ours_rate):.0f} to {max(ours_rate):.0f}/s over HTTP, {clients} clients",
            at_most=False,
        )


def bare_clients(dsn: str, count: int) -> BareRefreshes:
    """Clients of the bare app, on rows that nobody has used."""
    rows = asyncio.run(raw.make_sessions(dsn, count))
    return BareRefreshes([(str(key), secret.hex()) for key, secret in rows])


def _where_commits_wait(report: figures.Report, rounds: int, seconds: float) -> None:
    """The same two sides where a commit waits for its disk, as it does on a common cloud disk."""
    with cluster.temporary(COMMIT_WAIT) as postgres:
        dsn = postgres.create("waiting")
        with (
            servers.keyfob(dsn, BCRYPT_COST=4, LIMIT_REFRESH="1000000/minute") as ours,
            crew(servers.HOST, ours.port, refreshes) as clients,
        ):
            _make_ready(clients, FEW)
            ours_rate, raw_rate = figures.in_turn(
                rounds,
                lambda: _over_http((ours, clients), FEW, seconds, []),
                lambda: _bare_statement(dsn, FEW, seconds),
            )
    report.add(
        "refresh / bare asyncpg, rate, commit waits 1 ms",
        figures.ratios(ours_rate, raw_rate),
        0.70,
        f"{min(ours_rate):.0f} to {max(ours_rate):.0f}/s over HTTP; the wait is simulated by "
        "PostgreSQL's commit_delay, as a common cloud disk takes to write",
        at_most=False,
    )
    report.figure(TABLE, "Keyfob, commit waits 1 ms", "rate", "/s", ours_rate, at=FEW)
    report.figure(TABLE, "asyncpg, commit waits 1 ms", "rate", "/s", raw_rate, at=FEW)


def _make_ready(clients: Crew, amount: int) -> None:
    """Sign so many clients up, and let what follows from that end: neither is a refresh."""
    clients.prepare(amount)
    clients.run(amount, _WARM_UP_SECONDS)


def _over_http(side: Side, amount: int, seconds: float, cpu: list[float]) -> float:
    server, clients = side
    before = processes.cpu_seconds(server.process.pid)
    result = clients.run(amount, seconds)
    used = processes.cpu_seconds(server.process.pid) - before
    cpu.append(used / len(result.latencies) * 1000)
    assert set(result.statuses) == {200}, result.statuses
    return result.rate


def _bare_statement(dsn: str, clients: int, seconds: float) -> float:
    return asyncio.run(raw.rotation_rate(dsn, clients, seconds))
