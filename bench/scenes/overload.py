"""Logins beyond the queue's budget: how fast are they told to come back."""

from bench.harness import figures, servers
from bench.harness.clients import refused_logins
from bench.harness.load import run_clients


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with servers.keyfob(dsn, BCRYPT_COST=12, HASHING_BUDGET=0.5) as ours:
        slowest: list[float] = []
        shed = 0
        for _ in range(rounds):
            result = run_clients(servers.HOST, ours.port, refused_logins, 64, seconds)
            slowest.append(sorted(result.shed)[int(len(result.shed) * 0.99)] * 1000)
            shed += len(result.shed)
        report.add(
            "login beyond the budget, answer 503, p99",
            slowest,
            100,
            f"{shed} shed of 64 clients at once",
            at_most=True,
            unit=" ms",
        )
