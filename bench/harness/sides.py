"""The sides of a comparison in the field, and how they are measured in turn."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.harness import processes, servers
from bench.harness.cluster import Cluster
from bench.harness.crew import Failed, crew
from bench.harness.figures import Report
from bench.harness.load import Client
from bench.harness.servers import Server


@dataclass(frozen=True)
class Seen:
    """One round of one side, by measure. Latencies and CPU time a request are in ms."""

    rate: float
    others: dict[str, float]


_UNITS = {"rate": "/s", "p50": "ms", "p99": "ms", "server CPU": "ms", "database CPU": "ms"}

_WARM_UP_SECONDS = 3.0  # unmeasured, before the first round: the JVM and V8 compile as they run


@dataclass(frozen=True)
class Side:
    """One side of a measurement. `measure` gets the number of clients and the seconds.

    Args:
        ready: makes so many clients ready and warms up, before the first round.
        clients: the only numbers of clients to measure it at; all of the table's if empty.
    """

    name: str
    measure: Callable[[int, float], Seen]
    ready: Callable[[int], None] = lambda _: None
    clients: tuple[int, ...] = ()


@contextlib.contextmanager
def over_http(
    name: str,
    server: Server,
    client: Client,
    cluster: Cluster,
    *,
    expires: bool = False,
    only: tuple[int, ...] = (),
) -> Iterator[Side]:
    """A side whose clients speak to a server.

    Args:
        name: of the side.
        server: where the clients go.
        client: what they do.
        cluster: the server's, whose CPU time is measured too.
        expires: what the clients hold may expire between rounds; they then get ready again, and
            the round counts only from there.
        only: the numbers of clients to measure at; all of the table's if empty.
    """
    most = 0
    with crew(servers.HOST, server.port, client) as clients:

        def measure(count: int, seconds: float) -> Seen:
            if not expires:
                return once(count, seconds)
            with contextlib.suppress(Failed):
                seen = once(count, seconds)
                if not seen.others["not 2xx"]:
                    return seen
            clients.prepare(most)
            return once(count, seconds)

        def prepare(count: int) -> None:
            nonlocal most
            most = count
            clients.prepare(count)
            clients.run(count, _WARM_UP_SECONDS)

        def once(count: int, seconds: float) -> Seen:
            before = _used(server, cluster)
            result = clients.run(count, seconds)
            after = _used(server, cluster)
            done = sum(n for status, n in result.statuses.items() if 200 <= status < 300)
            if not done:
                raise Failed(f"no answer was a success: {result.statuses}")
            others = {
                "p50": result.percentile(0.5) * 1000,
                "p99": result.percentile(0.99) * 1000,
                "server CPU": (after[0] - before[0]) / done * 1000,
                "database CPU": (after[1] - before[1]) / done * 1000,
                "not 2xx": result.failed,
            }
            return Seen(done / result.seconds, others)

        yield Side(name, measure, prepare, only)


def limit(name: str, rate: Callable[[int, float], float], cluster: Cluster) -> Side:
    """A limit that is no server: its rate, and what the database used."""

    def measure(count: int, seconds: float) -> Seen:
        assert cluster.process is not None
        before = processes.cpu_seconds(cluster.process.pid)
        seen = rate(count, seconds)
        used = processes.cpu_seconds(cluster.process.pid) - before
        return Seen(seen, {"database CPU": used / (seen * seconds) * 1000})

    return Side(name, measure)


def in_turn(
    report: Report,
    table: str,
    sides: Sequence[Side],
    clients: Sequence[int],
    rounds: int,
    seconds: float,
) -> None:
    """Measure the sides A B A B ... at each number of clients, and keep what was seen.

    A side that fails is told of and left out; the others go on.
    """
    able = list(sides)
    _each(report, table, able, lambda side: side.ready(max(clients)))
    for count in clients:
        seen: dict[str, list[Seen]] = {}

        def measure(side: Side, count: int = count, seen: dict[str, list[Seen]] = seen) -> None:
            if side.clients and count not in side.clients:
                return
            seen.setdefault(side.name, []).append(side.measure(count, seconds))

        for _ in range(rounds):
            _each(report, table, able, measure)
        for side in able:
            if side.name in seen:
                _keep(report, table, side.name, seen[side.name], count)


def _each(report: Report, table: str, able: list[Side], do: Callable[[Side], None]) -> None:
    """Do something with each side, and drop those that fail."""
    for side in list(able):
        try:
            do(side)
        except Failed as failure:
            report.without(f"{side.name}: {table}", str(failure))
            able.remove(side)


def _keep(report: Report, table: str, name: str, seen: Sequence[Seen], count: int) -> None:
    rates = [round_.rate for round_ in seen]
    report.figure(table, name, "rate", _UNITS["rate"], rates, at=count)
    for measure in seen[0].others:
        values = [round_.others[measure] for round_ in seen]
        if any(values) or measure != "not 2xx":
            report.figure(table, name, measure, _UNITS.get(measure, ""), values, at=count)
    low, high = min(rates), max(rates)
    print(f"{table:10} {count:3} clients  {name:36} {low:9.1f} to {high:9.1f}/s", flush=True)


def _used(server: Server, cluster: Cluster) -> tuple[float, float]:
    """CPU time that server and database have used."""
    assert cluster.process is not None
    server_used = processes.cpu_seconds(server.process.pid)
    return server_used, processes.cpu_seconds(cluster.process.pid)
