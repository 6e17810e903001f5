"""The report of `keyfob doctor`."""

from typing import Any

from tests.cli.conftest import Outcome


def unwell(said: Outcome) -> dict[str, str]:
    """Return the problems in a JSON report; check that the exit code matches."""
    report = {finding["part"]: finding for finding in report_of(said)}
    found = {part: finding["says"] for part, finding in report.items() if not finding["well"]}
    assert said.code == (1 if found else 0)
    assert "Traceback" not in said.err
    return found


def report_of(said: Outcome) -> Any:
    return Outcome(0, said.out, said.err).json
