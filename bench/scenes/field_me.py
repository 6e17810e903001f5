"""Asking who one is, in the field: `GET /me`, or what each has for a session check."""

import contextlib

from bench.harness import cluster, entrants, figures, servers, sides
from bench.harness.clients import asks_bare_me

CLIENTS = (1, 8, 32)
_ACTIONS = {"me": "{}", "userinfo": "{}, userinfo", "introspect": "{}, introspection"}


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    with contextlib.ExitStack() as running:
        postgres = running.enter_context(cluster.temporary())
        entered = running.enter_context(entrants.all_running(postgres, report, ("own",)))
        postgres.create("limit")
        bare = running.enter_context(servers.bare(postgres.dsn("limit", tcp=True)))
        asked = [
            (name.format(entrant.name), entrant.server, entrant.clients[action])
            for entrant in entered
            for action, name in _ACTIONS.items()
            if action in entrant.clients
        ]
        asked.append(("limit: bare ASGI app", bare, asks_bare_me))
        # A token may live for less than the rounds take.
        able = [
            running.enter_context(sides.over_http(*side, postgres, expires=True)) for side in asked
        ]
        sides.in_turn(report, "me", able, CLIENTS, rounds, seconds)
