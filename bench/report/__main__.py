"""`python -m bench.report`: writes docs/benchmarks.md from the committed results."""

import sys
from pathlib import Path

from bench.harness import results
from bench.report import page

PAGE = Path("docs/benchmarks.md")


def main() -> int:
    PAGE.write_text(page.write(results.read_all(results.COMMITTED)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
