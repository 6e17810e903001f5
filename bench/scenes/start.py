"""Start to the first 200."""

import tempfile

from bench.harness import figures, servers


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    with servers.keyfob(dsn):
        pass  # migrates, makes the administrator
    running = []
    for _ in range(rounds):
        with servers.keyfob(dsn) as ours:
            running.append(ours.started_in)
    report.add("start, database running", running, 1.0, "", at_most=True, unit=" s")
    with tempfile.TemporaryDirectory(prefix="keyfob-bench-") as folder:
        with servers.keyfob("", DATA_DIR=folder):
            pass
        embedded = []
        for _ in range(rounds):
            with servers.keyfob("", DATA_DIR=folder) as ours:
                embedded.append(ours.started_in)
    report.add("start, embedded, not the first", embedded, 3.0, "", at_most=True, unit=" s")
