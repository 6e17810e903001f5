"""Refreshing, in the field: beside our statement by pgbench, asyncpg and a bare ASGI app."""

import asyncio
import contextlib

from bench.harness import cluster, entrants, figures, servers, sides
from bench.limit import pgbench, raw
from bench.scenes.refresh import bare_clients

CLIENTS = (1, 8, 32)


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    with contextlib.ExitStack() as running:
        postgres = running.enter_context(cluster.temporary())
        entered = running.enter_context(entrants.all_running(postgres, report, ("own",)))
        able = [
            running.enter_context(
                sides.over_http(entrant.name, entrant.server, entrant.clients["refresh"], postgres)
            )
            for entrant in entered
            if "refresh" in entrant.clients
        ]
        postgres.create("limit")
        dsn = postgres.dsn("limit", tcp=True)
        bare = running.enter_context(servers.bare(dsn))
        rows = bare_clients(dsn, max(CLIENTS))
        able += [
            running.enter_context(sides.over_http("limit: bare ASGI app", bare, rows, postgres)),
            sides.limit(
                "limit: bare asyncpg",
                lambda count, seconds: asyncio.run(raw.rotation_rate(dsn, count, seconds)),
                postgres,
            ),
            sides.limit(
                "limit: pgbench, prepared",
                lambda count, seconds: pgbench.rotation_rate(postgres, "limit", count, seconds),
                postgres,
            ),
        ]
        sides.in_turn(report, "refresh", able, CLIENTS, rounds, seconds)
