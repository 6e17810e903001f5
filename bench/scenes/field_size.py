"""Start-up and memory, in the field: to the first 200, at rest, and after load."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from bench.harness import cluster, entrants, figures, processes, servers
from bench.harness.crew import Failed, crew
from bench.harness.entrants import Entrant
from bench.peers.contestant import Contestant

CLIENTS = 8
_REST_SECONDS = 2.0
Start = Callable[[], AbstractContextManager[Entrant | None]]


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    with cluster.temporary() as postgres:
        with entrants.keyfob(postgres):
            pass  # migrates, as the contestants do before they are timed
        starts: list[tuple[str, Start]] = [(entrants.OURS, lambda: entrants.keyfob_again(postgres))]
        peers = entrants.peers(report)
        starts += [(peer.name, _starts(peer, postgres, report)) for peer in peers]
        for name, start in starts:
            _measure(report, name, start, rounds, seconds)


def _starts(peer: Contestant, postgres: cluster.Cluster, report: figures.Report) -> Start:
    return lambda: entrants.contestant(peer, postgres, "own", report)


def _measure(report: figures.Report, name: str, start: Start, rounds: int, seconds: float) -> None:
    """Start it round by round; load it in the last one."""
    started, rest, loaded = [], [], []
    for turn in range(rounds):
        with start() as entrant:
            if entrant is None:
                return
            started.append(entrant.server.started_in)
            time.sleep(_REST_SECONDS)
            rest.append(processes.resident_mb(entrant.server.process.pid))
            if turn == rounds - 1:
                _load(report, entrant, seconds)
                loaded.append(processes.resident_mb(entrant.server.process.pid))
    report.figure("size", name, "start", "s", started)
    report.figure("size", name, "memory at rest", "MB", rest)
    report.figure("size", name, "memory after load", "MB", loaded)
    print(f"{name:30} {min(started):.2f} s, {min(rest):.0f} MB, {max(loaded):.0f} MB", flush=True)


def _load(report: figures.Report, entrant: Entrant, seconds: float) -> None:
    """Do everything it can, eight at a time."""
    for action, client in entrant.clients.items():
        with crew(servers.HOST, entrant.server.port, client) as clients:
            try:
                clients.prepare(CLIENTS)
                clients.run(CLIENTS, seconds)
            except Failed as failure:
                report.without(f"{entrant.name}: {action} before its memory is read", str(failure))
