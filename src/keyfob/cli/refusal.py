"""What stops a command: one line for the shell, exit code 1."""

import sys

from keyfob.core.problems import Problem


class Refused(Exception):
    """The command could not do what it was asked; the message says why."""


def exit_refused(fault: Refused | Problem) -> None:
    """Say why on standard error, without a traceback, and exit with 1."""
    why = str(fault)
    if isinstance(fault, Problem):
        # What PostgreSQL said is for the operator; it never has a password in it.
        cause = " ".join((fault.detail or str(fault.__cause__ or "")).split())
        why = fault.title + (f" ({cause})" if cause else "")
    print(f"keyfob: {why}", file=sys.stderr)  # noqa: T201 - a command speaks to the shell
    sys.exit(1)
