"""`python -m bench [SCENE ...]`: measures, side by side, and prints each line with its bound."""

import argparse
import importlib
import os
import platform
import sys
from pathlib import Path

from bench.harness import figures, servers
from keyfob import __version__

SCENES = (
    "start",
    "memory",
    "login",
    "refresh",
    "me",
    "storm",
    "overload",
    "revocation",
    "lists",
    "growth",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("scenes", nargs="*", default=SCENES, help=f"of {', '.join(SCENES)}")
    parser.add_argument("--rounds", type=int, default=5, help="rounds A B A B (default 5)")
    parser.add_argument("--seconds", type=float, default=3, help="seconds a side (default 3)")
    wanted = parser.parse_args()

    cores = len(os.sched_getaffinity(0))
    load = Path("/proc/loadavg").read_text().split()[0]
    print(f"Keyfob {__version__}, Python {platform.python_version()}, {cores} cores, load {load}")
    print("verdict, line, median (least to most), bound, detail\n")
    report = figures.Report()
    for name in wanted.scenes:
        scene = importlib.import_module(f"bench.scenes.{name}")
        with servers.postgres() as dsn:
            scene.run(report, dsn, wanted.rounds, wanted.seconds)
    missed = [line for line in report.lines if not line.holds]
    print(f"\n{len(report.lines) - len(missed)} lines hold, {len(missed)} miss")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
