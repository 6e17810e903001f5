"""Logins, in the field: each at its own password hash and, where it can be set, at ours."""

import contextlib
from collections.abc import Sequence

from bench.harness import cluster, entrants, figures, sides
from bench.limit import raw

CLIENTS = (1, 8, 32)
OUR_HASH_AT = (8,)  # where each is measured at our hash, too


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    measure_hashing(report, "login", CLIENTS, rounds, seconds)


def measure_hashing(
    report: figures.Report, action: str, clients: Sequence[int], rounds: int, seconds: float
) -> None:
    """Measure an action whose cost is the hash, beside raw bcrypt at our cost on all cores."""
    with contextlib.ExitStack() as running:
        postgres = running.enter_context(cluster.temporary())
        entered = running.enter_context(entrants.all_running(postgres, report, ("own", "ours")))
        able = [
            running.enter_context(
                sides.over_http(
                    entrant.name,
                    entrant.server,
                    entrant.clients[action],
                    postgres,
                    only=() if entrant.own_hash else OUR_HASH_AT,
                )
            )
            for entrant in entered
            if action in entrant.clients
        ]
        hashes = sides.limit(
            f"limit: raw {entrants.OUR_HASH}, all cores",
            lambda _, seconds: raw.bcrypt_rate(entrants.COST, seconds),
            postgres,
        )
        sides.in_turn(report, action, [*able, hashes], clients, rounds, seconds)
