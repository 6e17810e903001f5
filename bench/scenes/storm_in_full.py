"""A login storm for a minute, at twice what the machine can hash, while eight clients refresh."""

from collections.abc import Sequence

from bench.harness import cluster, figures, servers
from bench.harness.arrivals import Told
from bench.harness.clients import logs_in, refreshes
from bench.harness.crew import crew
from bench.harness.load import Result
from bench.harness.storms import PERCENTILES, TIMES_CAPACITY, storm

REFRESHING = 8
TABLE = "storm"
_MEASURED_WITH = 8  # clients, for the capacity
_USERS = 64


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    lasting = 60 if seconds >= 2 else 20 * seconds
    settings = {"BCRYPT_COST": 12, "LIMIT_REFRESH": "1000000/minute"}
    with cluster.temporary() as postgres:
        dsn = postgres.create("storm")
        with (
            servers.keyfob(dsn, **settings) as ours,
            crew(servers.HOST, ours.port, refreshes) as refreshing,
            crew(servers.HOST, ours.port, logs_in) as logins,
        ):
            refreshing.prepare(REFRESHING)
            logins.prepare(_MEASURED_WITH)
            capacity = logins.run(_MEASURED_WITH, 5 * seconds).rate
            logins.gather(_USERS)
            calm: list[Result] = []
            stormy: list[Result] = []
            told: list[Told] = []
            for _ in range(rounds):
                calm.append(refreshing.run(REFRESHING, 5 * seconds))
                refreshed, answers = storm(refreshing, REFRESHING, logins, capacity, lasting)
                stormy.append(refreshed)
                told.append(answers)
    _report_refreshes(report, calm, stormy, capacity, lasting)
    _report_logins(report, told, capacity)


def _report_refreshes(
    report: figures.Report,
    calm: Sequence[Result],
    stormy: Sequence[Result],
    capacity: float,
    seconds: float,
) -> None:
    for side, seen in (("calm", calm), ("storm", stormy)):
        report.figure(TABLE, side, "rate", "/s", [result.rate for result in seen])
        for percentile in PERCENTILES:
            latencies = [result.percentile(percentile / 100) * 1000 for result in seen]
            report.figure(TABLE, side, "latency", "ms", latencies, at=percentile)
    report.add(
        "refresh, logins at twice capacity / calm, rate",
        figures.ratios([r.rate for r in stormy], [r.rate for r in calm]),
        0.5,
        f"{TIMES_CAPACITY * capacity:.1f} logins/s for {seconds:.0f} s, {REFRESHING} refresh",
        at_most=False,
    )
    tails = [[result.percentile(0.99) * 1000 for result in seen] for seen in (stormy, calm)]
    report.add(
        "refresh, logins at twice capacity / calm, p99",
        figures.ratios(*tails),
        4,
        f"calm {min(tails[1]):.1f} to {max(tails[1]):.1f} ms",
        at_most=True,
        noise=figures.NOISE_OF_TAILS,
    )
    report.add("refresh, logins at twice capacity, p99", tails[0], 25, "", at_most=True, unit=" ms")


def _report_logins(report: figures.Report, told: Sequence[Told], capacity: float) -> None:
    side = "logins"
    report.figure(TABLE, side, "capacity", "/s", [capacity])
    report.figure(TABLE, side, "accepted", "%", [100 * seen.share(200) for seen in told])
    report.figure(TABLE, side, "shed by 503", "%", [100 * seen.share(503) for seen in told])
    others = [100 * (1 - seen.share(200) - seen.share(503)) for seen in told]
    report.figure(TABLE, side, "told anything else", "%", others)
    waits = [wait for seen in told for wait in seen.retry_after]
    report.figure(TABLE, side, "Retry-After, least", "s", [min(waits, default=0)])
    report.figure(TABLE, side, "Retry-After, most", "s", [max(waits, default=0)])
    accepted = [seen.percentile(200, 0.5) * 1000 for seen in told]
    report.figure(TABLE, side, "accepted, p50", "ms", accepted)
    report.add(
        "login shed at twice capacity, answer 503, p99",
        [seen.percentile(503, 0.99) * 1000 for seen in told],
        100,
        f"{sum(len(seen.latencies.get(503, ())) for seen in told)} shed of "
        f"{sum(seen.count for seen in told)}, each with Retry-After",
        at_most=True,
        unit=" ms",
    )
    shed = sum(len(seen.latencies.get(503, ())) for seen in told)
    assert len(waits) == shed, "a login was shed without Retry-After"
