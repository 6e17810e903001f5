"""A login storm: what it does to refreshes, and what the shed logins are told."""

import multiprocessing

from bench.harness import figures, servers
from bench.harness.clients import logs_in, refreshes
from bench.harness.load import Client, Result, run_clients, start_clients

REFRESHING = 4
STORMING = 32


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with servers.keyfob(dsn, BCRYPT_COST=12, LIMIT_REFRESH="1000000/minute") as ours:
        calm: list[Result] = []
        stormy: list[Result] = []
        shed: list[float] = []

        def in_calm() -> float:
            calm.append(run_clients(servers.HOST, ours.port, refreshes, REFRESHING, 2 * seconds))
            return calm[-1].rate

        def in_storm() -> float:
            refreshed, logins = _together(ours.port, 2 * seconds)
            stormy.append(refreshed)
            assert set(logins.statuses) <= {200, 503}, logins.statuses
            shed.append(logins.statuses.get(503, 0) / max(1, len(logins.latencies)))
            return refreshed.rate

        rate_calm, rate_storm = figures.in_turn(rounds, in_calm, in_storm)
    for side, rates in (("calm", rate_calm), ("storm", rate_storm)):
        report.figure("storm, 4 refresh and 32 log in", side, "rate", "/s", rates)
    p99_calm = [result.percentile(0.99) * 1000 for result in calm]
    p99_storm = [result.percentile(0.99) * 1000 for result in stormy]
    report.add(
        "refresh in a login storm / in calm, rate",
        figures.ratios(rate_storm, rate_calm),
        0.5,
        f"{min(rate_storm):.0f} to {max(rate_storm):.0f}/s; {STORMING} log in, "
        f"{REFRESHING} refresh; {max(shed):.0%} of logins shed at most",
        at_most=False,
    )
    report.add(
        "refresh in a login storm / in calm, p99",
        figures.ratios(p99_storm, p99_calm),
        4,
        f"calm {min(p99_calm):.1f} to {max(p99_calm):.1f} ms",
        at_most=True,
        noise=figures.NOISE_OF_TAILS,
    )
    report.add("refresh in a login storm, p99", p99_storm, 25, "", at_most=True, unit=" ms")


def _together(port: int, seconds: float) -> tuple[Result, Result]:
    # The storm is at its height before the first refresh is timed: its clients register first.
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        storm: tuple[str, int, Client, int, float] = (
            servers.HOST,
            port,
            logs_in,
            STORMING,
            seconds + 2,
        )
        logins = start_clients(pool, *storm)
        refreshed = start_clients(pool, servers.HOST, port, refreshes, REFRESHING, seconds)
        return refreshed.get(), logins.get()
