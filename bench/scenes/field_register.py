"""Registering, in the field: each at its own password hash and, where it can be set, at ours."""

from bench.harness import figures
from bench.scenes.field_login import measure_hashing

CLIENTS = (8,)


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    measure_hashing(report, "register", CLIENTS, rounds, seconds)
