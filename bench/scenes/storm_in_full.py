"""A login storm for a minute, at twice what the machine can hash, while eight clients refresh."""

import asyncio
import multiprocessing
import time
from collections.abc import Sequence

from bench.harness import cluster, figures, servers
from bench.harness.arrivals import Told, arrive
from bench.harness.clients import PASSWORD, logs_in, refreshes, registered
from bench.harness.crew import Crew, crew
from bench.harness.load import Connection, Result, request, run_clients

REFRESHING = 8
TIMES_CAPACITY = 2.0
TABLE = "storm"
PERCENTILES = (50, 75, 90, 95, 99, 99.9, 99.99)
_USERS = 64
_UNTIL_AT_ITS_HEIGHT = 4.0  # longer than the queue's budget


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    lasting = 60 if seconds >= 2 else 20 * seconds
    settings = {"BCRYPT_COST": 12, "LIMIT_REFRESH": "1000000/minute"}
    with cluster.temporary() as postgres:
        dsn = postgres.create("storm")
        with (
            servers.keyfob(dsn, **settings) as ours,
            crew(servers.HOST, ours.port, refreshes) as refreshing,
        ):
            refreshing.prepare(REFRESHING)
            wires = asyncio.run(_logins(ours.port))
            capacity = run_clients(servers.HOST, ours.port, logs_in, 8, 5 * seconds).rate
            calm: list[Result] = []
            stormy: list[Result] = []
            told: list[Told] = []
            for _ in range(rounds):
                calm.append(refreshing.run(REFRESHING, 5 * seconds))
                refreshed, logins = _storm(refreshing, ours.port, wires, capacity, lasting)
                stormy.append(refreshed)
                told.append(logins)
    _report_refreshes(report, calm, stormy, capacity, lasting)
    _report_logins(report, told, capacity)


async def _logins(port: int) -> list[bytes]:
    """Register the users of the storm and return their logins."""
    connection = Connection(servers.HOST, port)
    emails = [(await registered(connection))[0] for _ in range(_USERS)]
    return [
        request("POST", "/login", body={"email": email, "password": PASSWORD}) for email in emails
    ]


def _storm(
    refreshing: Crew, port: int, wires: list[bytes], capacity: float, seconds: float
) -> tuple[Result, Told]:
    rate, lasting = TIMES_CAPACITY * capacity, seconds + _UNTIL_AT_ITS_HEIGHT
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        logins = pool.apply_async(arrive, (servers.HOST, port, wires, rate, lasting))
        time.sleep(_UNTIL_AT_ITS_HEIGHT)
        refreshed = refreshing.run(REFRESHING, seconds)
        return refreshed, logins.get()


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
