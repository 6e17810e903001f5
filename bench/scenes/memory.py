"""Resident memory of one worker: at rest, after load, under a storm, under spoofed addresses."""

import time

from bench.harness import figures, processes, servers
from bench.harness.clients import asks_me, logs_in, refreshes, spoofs_addresses
from bench.harness.crew import crew
from bench.harness.load import run_clients

ADDRESSES = 100_000
_PATIENCE = 1200  # seconds; on cores that nobody else uses it takes less than one minute


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    settings = {"BCRYPT_COST": 4, "LIMIT_REFRESH": "1000000/minute", "HASHING_BUDGET": 30}
    with servers.keyfob(dsn, **settings) as ours:
        time.sleep(2)  # at rest: the start's own work is done
        pid = ours.process.pid
        rest = processes.resident_mb(pid)
        report.add("resident memory at rest", [rest], 120, "", at_most=True, unit=" MB")
        for client in (asks_me, refreshes, logs_in):
            run_clients(servers.HOST, ours.port, client, 8, seconds)
        loaded = processes.resident_mb(pid)
        report.add("resident memory after load", [loaded], 160, "", at_most=True, unit=" MB")
        run_clients(servers.HOST, ours.port, logs_in, 500, seconds)
        report.add(
            "growth by 500 parallel logins",
            [processes.resident_mb(pid) - loaded],
            30,
            "",
            at_most=True,
            unit=" MB",
        )
    with (
        servers.keyfob(dsn, LIMITS="on", TRUSTED_PROXIES="127.0.0.0/8") as ours,
        crew(servers.HOST, ours.port, spoofs_addresses) as spoofing,
    ):
        spoofing.prepare(8)
        spoofing.run(8, seconds)
        before = processes.resident_mb(ours.process.pid)
        spoofed = spoofing.run(8, _PATIENCE, total=ADDRESSES)
        report.add(
            "growth by 100,000 spoofed addresses",
            [processes.resident_mb(ours.process.pid) - before],
            10,
            f"{len(spoofed.latencies)} requests, each from another address and counted",
            at_most=True,
            unit=" MB",
        )
