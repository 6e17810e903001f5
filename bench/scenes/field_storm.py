"""A login storm, in the field: who can still refresh, and what are the logins told?

Logins arrive at twice what the contestant does with eight clients, for twenty seconds and some
before them, while eight clients refresh (or, where there is nothing to refresh, check their
session). Who has no answer to a login after ten seconds leaves. Calm and storm in turn, three times
at most; before each calm the server works off what it still has. Only one contestant runs at a
time, as it comes.
"""

import functools
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from bench.harness import cluster, entrants, figures, processes, servers
from bench.harness.arrivals import Told
from bench.harness.clients import Undaunted
from bench.harness.cluster import Cluster
from bench.harness.crew import Failed, crew
from bench.harness.entrants import Entrant
from bench.harness.load import Result
from bench.harness.servers import Server
from bench.harness.storms import PERCENTILES, storm

CLIENTS = 8
CALM, STORM, LOGINS = "field, calm", "field, storm", "field, logins"
_USERS = 16
_WARM_UP_SECONDS = 3.0
_MOST_ROUNDS = 3
_AT_REST = 0.2  # of a core
_MOST_SECONDS_TO_REST = 120.0

Start = Callable[[Cluster], AbstractContextManager[Entrant | None]]


@dataclass
class Seen:
    """The values of one contestant, round by round."""

    capacity: float
    calm: list[Result] = field(default_factory=list)
    stormy: list[Result] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    for start in _starts(report):
        with cluster.temporary() as postgres, start(postgres) as entrant:
            if entrant is None:
                continue
            try:
                works, seen = _measure(entrant, min(rounds, _MOST_ROUNDS), seconds)
            except Failed as failure:
                report.without(f"{entrant.name}: storm", str(failure))
                continue
            report.sides.setdefault(entrant.name, {})["works in the storm"] = works
            _keep(report, entrant.name, seen)


def _starts(report: figures.Report) -> Iterator[Start]:
    report.sides[entrants.OURS] = {"runtime": "Python", "hashing": entrants.OUR_HASH}
    yield functools.partial(entrants.keyfob, settings=entrants.AS_IT_COMES)
    for peer in entrants.peers(report):
        if "login" in peer.clients:
            yield functools.partial(entrants.contestant, peer, hashing="own", report=report)
        else:
            report.without(f"{peer.name}: storm", peer.notes.get("login", "it has no login"))


def _measure(entrant: Entrant, rounds: int, seconds: float) -> tuple[str, Seen]:
    """Return what was done in the storm, "refresh" or "me", and what was seen."""
    works = "refresh" if "refresh" in entrant.clients else "me"
    where = servers.HOST, entrant.server.port
    with (
        crew(*where, Undaunted(entrant.clients[works])) as working,
        crew(*where, entrant.clients["login"]) as logins,
    ):
        working.prepare(CLIENTS)
        working.run(CLIENTS, _WARM_UP_SECONDS)
        logins.prepare(CLIENTS)
        logins.run(CLIENTS, _WARM_UP_SECONDS)
        seen = Seen(logins.run(CLIENTS, 3 * seconds).rate)
        logins.gather(_USERS)
        for _ in range(rounds):
            seen.calm.append(working.run(CLIENTS, 5 * seconds))
            worked, told = storm(working, CLIENTS, logins, seen.capacity, 10 * seconds)
            seen.stormy.append(worked)
            seen.told.append(told)
            _rest(entrant.server)
    return works, seen


def _rest(server: Server) -> None:
    """Wait until the server has worked off what nobody waits for any more."""
    until = time.monotonic() + _MOST_SECONDS_TO_REST
    while time.monotonic() < until:
        before = processes.cpu_seconds(server.process.pid)
        time.sleep(1)
        if processes.cpu_seconds(server.process.pid) - before < _AT_REST:
            break


def _keep(report: figures.Report, name: str, seen: Seen) -> None:
    for table, results in ((CALM, seen.calm), (STORM, seen.stormy)):
        rates = [result.rate * (1 - result.failed) for result in results]
        report.figure(table, name, "rate", "/s", rates)
        report.figure(table, name, "refused", "%", [100 * result.failed for result in results])
        for percentile in PERCENTILES:
            latencies = [result.percentile(percentile / 100) * 1000 for result in results]
            report.figure(table, name, "latency", "ms", latencies, at=percentile)
    _keep_logins(report, name, seen)
    calm, stormy = (
        statistics.median(result.percentile(0.99) * 1000 for result in results)
        for results in (seen.calm, seen.stormy)
    )
    print(f"{name:28} p99 {calm:.1f} ms in calm, {stormy:.1f} ms in the storm", flush=True)


def _keep_logins(report: figures.Report, name: str, seen: Seen) -> None:
    report.figure(LOGINS, name, "capacity", "/s", [seen.capacity])
    shares = [_shares(told) for told in seen.told]
    for measure in shares[0]:
        report.figure(LOGINS, name, measure, "%", [100 * each[measure] for each in shares])
    waited = [told.percentile(200, 0.5) * 1000 for told in seen.told]
    report.figure(LOGINS, name, "accepted, p50", "ms", waited)


def _shares(told: Told) -> dict[str, float]:
    known = {
        "accepted": told.share(200),
        "shed by 503": told.share(503),
        "never answered": told.unanswered / max(1, told.count),
    }
    return {**known, "anything else": max(0.0, 1 - sum(known.values()))}
