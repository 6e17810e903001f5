"""`python -m bench [SCENE ...]`: measures, side by side, and prints each line with its bound."""

import argparse
import importlib
import inspect
import signal
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType

from bench.harness import comparison, figures, machine, results, servers
from bench.scenes.catalogue import BEYOND, LINES
from keyfob import __version__


def main() -> int:
    wanted = _arguments()
    # So that what was started is stopped, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    names = wanted.scenes or (LINES + BEYOND if wanted.full else LINES)
    folder = results.COMMITTED if wanted.full else results.LATEST
    print(f"Keyfob {__version__}: {machine.summary()}")
    print("verdict, line, median (least to most), bound, detail\n")
    lines: list[figures.Line] = []
    broken = []
    for name in names:
        try:
            seconds = wanted.seconds or (3.0 if name in LINES else 2.0)
            document = _measure(name, wanted.rounds, seconds)
        except Exception:  # noqa: BLE001 - an hour of other scenes is not lost with it
            traceback.print_exc()
            broken.append(name)
            continue
        document.write(folder)
        lines += document.lines
    missed = [line for line in lines if not line.holds]
    print(f"\n{len(lines) - len(missed)} lines hold, {len(missed)} miss")
    worse = [] if wanted.full else _compare(lines)
    if broken:
        print(f"broken: {', '.join(broken)}")
    return 1 if missed or worse or broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "scenes", nargs="*", help=f"of {', '.join(LINES + BEYOND)} (default: the lines)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds A B A B (default 5)")
    parser.add_argument(
        "--seconds", type=float, help="seconds a side (default 3 for the lines, 2 beyond them)"
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"all scenes by default; each is kept in {results.COMMITTED} as soon as it ends",
    )
    wanted = parser.parse_args()
    for name in wanted.scenes:
        if name not in LINES + BEYOND:
            parser.error(f"there is no scene {name}")
    return wanted


def _measure(name: str, rounds: int, seconds: float) -> results.Document:
    """Run one scene and return what it measured."""
    scene = importlib.import_module(f"bench.scenes.{name}")
    report = figures.Report()
    load, started = machine.load(), time.monotonic()
    print(f"-- {name} (load {load:.2f})", flush=True)
    _run(scene, report, rounds, seconds)
    return results.Document.of(
        report,
        scene=name,
        about=inspect.getdoc(scene) or "",
        command=f'make {"bench" if name in LINES else "bench-full"} ARGS="{name}"',
        at=machine.now(),
        rounds=rounds,
        seconds=seconds,
        took_seconds=round(time.monotonic() - started),
        load_before=round(load, 2),
        machine=machine.describe(),
    )


def _run(scene: ModuleType, report: figures.Report, rounds: int, seconds: float) -> None:
    if hasattr(scene, "run_on_own_cluster"):
        scene.run_on_own_cluster(report, rounds, seconds)
        return
    with servers.postgres() as dsn:
        scene.run(report, dsn, rounds, seconds)


def _compare(lines: list[figures.Line]) -> list[comparison.Change]:
    """Print each line beside the committed one, and return those that are worse."""
    committed = [
        line for document in results.read_all(results.COMMITTED).values() for line in document.lines
    ]
    changes = comparison.compare(committed, lines)
    if not changes:
        print(f"nothing to compare with in {Path(results.COMMITTED)}")
        return []
    print("\nbeside the committed figures: verdict, line, median then and now, noise\n")
    for change in changes:
        print(comparison.render(change))
    worse = [change for change in changes if change.verdict == "WORSE"]
    print(f"\n{len(changes)} compared, {len(worse)} worse by more than the noise")
    return worse


if __name__ == "__main__":
    sys.exit(main())
