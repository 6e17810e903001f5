"""Results as data: one JSON document a scene, so that scenes can be run again one by one."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.harness.figures import Figure, Line, Report

COMMITTED = Path("bench/results")
LATEST = Path(".bench/results")


@dataclass(frozen=True)
class Document:
    """The results of a scene, with date, machine, and the command to repeat it."""

    scene: str
    about: str
    command: str
    at: str
    rounds: int
    seconds: float
    took_seconds: float
    load_before: float
    machine: Mapping[str, Any]
    lines: tuple[Line, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    sides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, report: Report, **about: Any) -> "Document":
        """Take over what a scene reported."""
        return cls(
            lines=tuple(report.lines),
            figures=tuple(report.figures),
            notes=tuple(report.notes),
            absent=dict(report.absent),
            sides=dict(report.sides),
            **about,
        )

    def write(self, folder: Path) -> None:
        """Write `<scene>.json`, whole or not at all, in place of an earlier one."""
        folder.mkdir(parents=True, exist_ok=True)
        written = asdict(self)
        written["lines"] = [_line_out(line) for line in self.lines]
        written["figures"] = [_figure_out(figure) for figure in self.figures]
        path = folder / f"{self.scene}.json"
        draft = path.with_suffix(".new")
        text = json.dumps(written, indent=1, ensure_ascii=False)
        draft.write_text(_LIST_OF_NUMBERS.sub(_in_one_line, text) + "\n")
        draft.replace(path)


def read(path: Path) -> Document:
    """Read one document."""
    held = json.loads(path.read_text())
    held["lines"] = tuple(_line_in(line) for line in held["lines"])
    held["figures"] = tuple(_figure_in(figure) for figure in held["figures"])
    held["notes"] = tuple(held["notes"])
    return Document(**held)


def read_all(folder: Path) -> dict[str, Document]:
    """Read every document of a folder, by scene."""
    documents = [read(path) for path in sorted(folder.glob("*.json"))]
    return {document.scene: document for document in documents}


_LIST_OF_NUMBERS = re.compile(r"\[[-+0-9.e,\s]+\]")


def _in_one_line(numbers: re.Match[str]) -> str:
    return " ".join(numbers[0].split()).replace("[ ", "[").replace(" ]", "]")


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _line_out(line: Line) -> dict[str, Any]:
    low, high = line.spread
    return {
        "name": line.name,
        "holds": line.holds,
        "median": _rounded(line.ratio),
        "min": _rounded(low),
        "max": _rounded(high),
        "bound": line.bound,
        "at_most": line.at_most,
        "unit": line.unit,
        "noise": line.noise,
        "detail": line.detail,
        "values": [_rounded(value) for value in line.values],
    }


def _line_in(held: Mapping[str, Any]) -> Line:
    return Line(
        held["name"],
        tuple(held["values"]),
        held["bound"],
        held["at_most"],
        held["detail"],
        held["unit"],
        held["noise"],
    )


def _figure_out(figure: Figure) -> dict[str, Any]:
    return {
        "table": figure.table,
        "side": figure.side,
        "at": figure.at,
        "measure": figure.measure,
        "unit": figure.unit,
        "median": _rounded(figure.median),
        "min": _rounded(min(figure.values)),
        "max": _rounded(max(figure.values)),
        "values": [_rounded(value) for value in figure.values],
    }


def _figure_in(held: Mapping[str, Any]) -> Figure:
    return Figure(
        held["table"],
        held["side"],
        held["measure"],
        held["unit"],
        tuple(held["values"]),
        held["at"],
    )
