"""Refresh over HTTP beside the same statement from bare asyncpg, and beside a bare ASGI app."""

import asyncio

from bench.harness import figures, processes, servers
from bench.harness.clients import BareRefreshes, refreshes
from bench.harness.load import Client, run_clients
from bench.limit import raw

CLIENTS = 8


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with (
        servers.keyfob(dsn, BCRYPT_COST=4, LIMIT_REFRESH="1000000/minute") as ours,
        servers.bare(dsn) as bare,
    ):
        cpu: dict[str, list[float]] = {"ours": [], "bare": []}

        def side(name: str, server: servers.Server, make: "type[object] | Client") -> float:
            client = make() if name == "bare" else make  # type: ignore[operator, call-arg]
            before = processes.cpu_seconds(server.process.pid)
            result = run_clients(servers.HOST, server.port, client, CLIENTS, seconds)  # type: ignore[arg-type]
            used = processes.cpu_seconds(server.process.pid) - before
            cpu[name].append(used / len(result.latencies) * 1000)
            assert set(result.statuses) == {200}, result.statuses
            return result.rate

        def fresh_rows() -> BareRefreshes:
            rows = asyncio.run(raw.make_sessions(dsn, CLIENTS))
            return BareRefreshes([(str(key), secret.hex()) for key, secret in rows])

        ours_rate, bare_rate, raw_rate = figures.in_turn(
            rounds,
            lambda: side("ours", ours, refreshes),
            lambda: side("bare", bare, fresh_rows),  # type: ignore[arg-type]
            lambda: asyncio.run(raw.rotation_rate(dsn, CLIENTS, seconds)),
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
