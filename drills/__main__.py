"""`python -m drills [NAME ...]`: run drills, print a line each, and write the results.

Exit code 1 when a drill breaks, 2 for an unknown name.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from drills.catalogue import DRILLS
from drills.harness.crowd import FULL, QUICK
from drills.harness.outcome import Outcome, render, save

RESULTS = Path(__file__).parent / "results.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m drills", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(DRILLS))
    parser.add_argument("--quick", action="store_true", help="few clients, a few seconds each")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file to write them to")
    given = parser.parse_args()
    if unknown := set(given.names) - set(DRILLS):
        parser.error(f"there is no drill {', '.join(sorted(unknown))}")
    outcomes: dict[str, Outcome] = {}
    for name in given.names or DRILLS:
        outcomes[name] = asyncio.run(DRILLS[name](QUICK if given.quick else FULL))
        print(render(name, outcomes[name]), flush=True)
    save(given.results, outcomes, quick=given.quick)
    return int(any(outcome.verdict == "BREAKS" for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
