"""`python -m drills.soak`: mixed load for half an hour, and nothing that grows, leaks or fails.

Exit code 1 when something does. The half hour begins after some twelve minutes in which a worker
fills what it may remember. A shorter run does not wait for that: it tells how memory grew, and does
not judge it.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from drills.__main__ import PAGE, RESULTS
from drills.catalogue import STORIES
from drills.harness.outcome import load, render, save
from drills.harness.page import page
from drills.scenes.soak import WHOLE_MINUTES, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m drills.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=WHOLE_MINUTES)
    parser.add_argument("--results", type=Path, help="file to write to; else that of the docs")
    given = parser.parse_args()
    outcome = asyncio.run(soak(given.minutes))
    print(render("soak", outcome))
    whole = given.minutes >= WHOLE_MINUTES
    if given.results or whole:  # the docs tell of whole runs only
        save(given.results or RESULTS, {"soak": outcome}, quick=not whole)
        PAGE.write_text(page(STORIES, load(RESULTS)))
    return int(outcome.verdict == "BREAKS")


if __name__ == "__main__":
    sys.exit(main())
