"""Refusals of commands: one line for the shell, and exit code 1."""

import sys

from keyfob.core.problems import Problem, in_one_line


class Refused(Exception):
    """The command cannot be done; the message says why."""


def exit_refused(fault: Refused | Problem) -> None:
    """Print the reason on standard error, without a traceback, and exit with 1."""
    why = in_one_line(fault) if isinstance(fault, Problem) else str(fault)
    print(f"keyfob: {why}", file=sys.stderr)  # noqa: T201 - a command speaks to the shell
    sys.exit(1)
