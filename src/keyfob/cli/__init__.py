"""The command line: `keyfob`. Exit codes: 0 done, 1 refused, 2 wrong usage."""

import os
import sys

from keyfob.cli.refusal import Refused, exit_refused
from keyfob.core.problems import Problem
from keyfob.core.stopping import end_in_order


def main() -> None:
    """Run the command of `sys.argv`."""
    end_in_order()
    try:
        from keyfob.cli.main import app  # noqa: PLC0415 - slow: end in order meanwhile

        app(prog_name="keyfob")
    except (Refused, Problem) as fault:
        exit_refused(fault)
    finally:
        _finish_output()


def _finish_output() -> None:
    """Write the rest of the output; if the terminal has closed, discard it.

    Otherwise Python would try again when it exits, and exit with 120.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
