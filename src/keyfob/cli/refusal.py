"""Refusals of commands: one line for the shell, and exit code 1."""

import sys

from keyfob.core.problems import Problem, in_one_line

_ADVICE = {
    "unknown_resource": "register it by `keyfob resources create`",
    "resource_taken": "use it, or change it by `keyfob resources change`",
    "unknown_role": "`keyfob roles list` shows what there is",
    "role_not_found": "`keyfob roles list` shows what there is",
    "client_not_found": "`keyfob clients list` shows the ids",
}


class Refused(Exception):
    """The command cannot be done; the message says why."""


def exit_refused(fault: Refused | Problem) -> None:
    """Print the reason on standard error, without a traceback, and exit with 1."""
    why = _tell(fault) if isinstance(fault, Problem) else str(fault)
    print(f"keyfob: {why}", file=sys.stderr)  # noqa: T201 - a command speaks to the shell
    sys.exit(1)


def _tell(problem: Problem) -> str:
    """Return what was refused, which of the names is unknown, and what to do."""
    unknown = problem.extra.get("unknown", [])
    named = f": {', '.join(unknown)}" if isinstance(unknown, list) and unknown else ""
    advice = _ADVICE.get(problem.code)
    return in_one_line(problem) + named + (f"; {advice}" if advice else "")
