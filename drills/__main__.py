"""`python -m drills [NAME ...]`: run drills, print a line each, and write the results.

Exit code 1 when a drill breaks, 2 for an unknown name.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from drills.catalogue import DRILLS, STORIES, Drill
from drills.harness.crowd import FULL, QUICK
from drills.harness.outcome import Outcome, load, render, save
from drills.harness.page import page

RESULTS = Path(__file__).parent / "results.json"
PAGE = Path("docs/drills.md")


def main(
    prog: str = "python -m drills",
    drills: Mapping[str, Drill] = DRILLS,
    results: Path = RESULTS,
) -> int:
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(drills))
    parser.add_argument("--quick", action="store_true", help="few clients, a few seconds each")
    parser.add_argument("--results", type=Path, help="file to write to; else that of the docs")
    parser.add_argument("--page", action="store_true", help="run nothing, write the page anew")
    given = parser.parse_args()
    if unknown := set(given.names) - set(drills):
        parser.error(f"there is no drill {', '.join(sorted(unknown))}")
    outcomes: dict[str, Outcome] = {}
    for name in () if given.page else given.names or drills:
        outcomes[name] = asyncio.run(drills[name](QUICK if given.quick else FULL))
        print(render(name, outcomes[name]), flush=True)
        if given.results or not given.quick:  # the docs tell of whole runs only
            # Each at once: one that cannot be told to its end takes no other's result with it.
            save(given.results or results, {name: outcomes[name]}, quick=given.quick)
    return int(any(outcome.verdict == "BREAKS" for outcome in outcomes.values()))


if __name__ == "__main__":
    code = main()
    PAGE.write_text(page(STORIES, load(RESULTS)))
    sys.exit(code)
