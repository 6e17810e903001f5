"""The load generator's own ceiling: its client process, and wrk, against a route that does nothing.

Where a side comes near the ceiling, its figure is the client's, not the server's.
"""

import contextlib
import re
import shutil
import subprocess

from bench.harness import cluster, figures, processes, servers, sides
from bench.harness.crew import Crew, crew
from bench.harness.load import Connection, Step, request

CLIENTS = 8
TABLE = "ceiling"


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    wrk = shutil.which("wrk")
    with contextlib.ExitStack() as running:
        postgres = running.enter_context(cluster.temporary())
        postgres.create("bare")
        bare = running.enter_context(servers.bare(postgres.dsn("bare")))
        ours = running.enter_context(crew(servers.HOST, bare.port, asks_nothing))
        ours.prepare(CLIENTS)
        costs: list[float] = []
        able = [sides.Side("our clients", lambda _, seconds: _drive(ours, seconds, costs))]
        if wrk:
            able.append(sides.Side("wrk", lambda _, seconds: _wrk(wrk, bare.port, seconds)))
        else:
            report.without("wrk", "it is not installed on this machine")
        sides.in_turn(report, TABLE, able, (CLIENTS,), rounds, seconds)
    report.figure(TABLE, "our clients", "client CPU", "ms", costs, at=CLIENTS)


async def asks_nothing(connection: Connection, _: int) -> Step:
    """Asks the bare app for the route that does nothing."""
    wire = request("GET", "/")

    async def step() -> int:
        return (await connection.send(wire)).status

    return step


def _drive(clients: Crew, seconds: float, costs: list[float]) -> sides.Seen:
    before = processes.own_cpu_seconds(clients.pid)
    result = clients.run(CLIENTS, seconds)
    used = processes.own_cpu_seconds(clients.pid) - before
    costs.append(used / len(result.latencies) * 1000)
    return sides.Seen(result.rate, {"p99": result.percentile(0.99) * 1000})


def _wrk(wrk: str, port: int, seconds: float) -> sides.Seen:
    address = f"http://{servers.HOST}:{port}/"
    command = [wrk, "-t1", f"-c{CLIENTS}", f"-d{max(1, round(seconds))}", "--latency", address]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", said)
    tail = re.search(r"99%\s+([0-9.]+)(us|ms|s)\s", said)
    assert rate is not None, said
    assert tail is not None, said
    scale = {"us": 1e-3, "ms": 1.0, "s": 1e3}[tail[2]]
    return sides.Seen(float(rate[1]), {"p99": float(tail[1]) * scale})
