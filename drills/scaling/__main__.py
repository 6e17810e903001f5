"""`python -m drills.scaling [NAME ...]`: run topologies, and write the results beside this file."""

import sys
from pathlib import Path

from drills.__main__ import main
from drills.scaling.catalogue import DRILLS

if __name__ == "__main__":
    results = Path(__file__).parent / "results.json"
    sys.exit(main("python -m drills.scaling", DRILLS, results))
