"""One worker and two: login, refresh and `GET /me`."""

import contextlib

from bench.harness import cluster, entrants, figures, servers, sides
from bench.harness.clients import asks_me, logs_in, refreshes

CLIENTS = (8, 32)
_ACTIONS = {"login": logs_in, "refresh": refreshes, "me": asks_me}


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    with contextlib.ExitStack() as running:
        postgres = running.enter_context(cluster.temporary())
        dsn = postgres.create("workers")
        started = [
            (
                f"{count} worker{'s' if count > 1 else ''}",
                running.enter_context(servers.keyfob(dsn, WORKERS=count, **entrants.TAKES_ALL)),
            )
            for count in (1, 2)
        ]
        for action, client in _ACTIONS.items():
            with contextlib.ExitStack() as clients:
                able = [
                    clients.enter_context(
                        sides.over_http(name, server, client, postgres, expires=action == "me")
                    )
                    for name, server in started
                ]
                table = f"{action}, workers"
                sides.in_turn(report, table, able, CLIENTS, rounds, seconds)
