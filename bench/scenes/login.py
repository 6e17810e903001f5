"""Logins over HTTP beside raw bcrypt at the same cost on all cores."""

from bench.harness import figures, servers
from bench.harness.clients import logs_in
from bench.harness.load import run_clients
from bench.limit import raw

COST = 12
CLIENTS = 8


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with servers.keyfob(dsn, BCRYPT_COST=COST, HASHING_BUDGET=30) as ours:

        def over_http() -> float:
            result = run_clients(servers.HOST, ours.port, logs_in, CLIENTS, 3 * seconds)
            assert set(result.statuses) == {200}, result.statuses
            return result.rate

        logins, hashes = figures.in_turn(
            rounds, over_http, lambda: raw.bcrypt_rate(COST, 3 * seconds)
        )
        report.figure("login, 8 clients", "Keyfob", "rate", "/s", logins)
        report.figure("login, 8 clients", "raw bcrypt", "rate", "/s", hashes)
        report.add(
            "login / raw bcrypt on all cores, rate",
            figures.ratios(logins, hashes),
            0.95,
            f"{min(logins):.2f} to {max(logins):.2f}/s at cost {COST}, {CLIENTS} clients",
            at_most=False,
        )
