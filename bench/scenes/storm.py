"""A login storm: what it does to refreshes, and what the shed logins are told."""

from bench.harness import figures, servers
from bench.harness.clients import logs_in, refreshes
from bench.harness.crew import crew
from bench.harness.load import Result
from bench.harness.storms import beside

REFRESHING = 4
STORMING = 32


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    calm: list[Result] = []
    stormy: list[Result] = []
    logins: list[Result] = []
    with (
        servers.keyfob(dsn, BCRYPT_COST=12, LIMIT_REFRESH="1000000/minute") as ours,
        crew(servers.HOST, ours.port, refreshes) as refreshing,
        crew(servers.HOST, ours.port, logs_in) as storming,
    ):
        refreshing.prepare(REFRESHING)
        storming.prepare(STORMING)

        def in_calm() -> float:
            calm.append(refreshing.run(REFRESHING, 2 * seconds))
            return calm[-1].rate

        def in_storm() -> float:
            refreshed, stormed = beside(
                lambda lasting: storming.run(STORMING, lasting),
                refreshing,
                REFRESHING,
                2 * seconds,
            )
            stormy.append(refreshed)
            logins.append(stormed)
            return refreshed.rate

        rate_calm, rate_storm = figures.in_turn(rounds, in_calm, in_storm)
    for result in (*calm, *stormy):
        assert set(result.statuses) == {200}, result.statuses
    for result in logins:
        assert set(result.statuses) <= {200, 503}, result.statuses
    shed = max(len(result.shed) / len(result.latencies) for result in logins)
    for side, rates in (("calm", rate_calm), ("storm", rate_storm)):
        report.figure("storm, 4 refresh and 32 log in", side, "rate", "/s", rates)
    report.add(
        "refresh in a login storm / in calm, rate",
        figures.ratios(rate_storm, rate_calm),
        0.45,
        f"{min(rate_storm):.0f} to {max(rate_storm):.0f}/s; {STORMING} log in, "
        f"{REFRESHING} refresh; {shed:.0%} of logins shed at most",
        at_most=False,
    )
    p99_calm = [result.percentile(0.99) * 1000 for result in calm]
    report.add(
        "refresh in a login storm, p99",
        [result.percentile(0.99) * 1000 for result in stormy],
        25,
        f"calm {min(p99_calm):.1f} to {max(p99_calm):.1f} ms",
        at_most=True,
        unit=" ms",
    )
