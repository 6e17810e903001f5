"""Figures: rounds in turn, medians and ratios first; what a scene measured, to print and keep."""

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

NOISE = 0.10  # the least change of a ratio that two runs can tell from chance
NOISE_OF_TAILS = 0.5  # the same of a 99th percentile, or of one reading of the clock

_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[\w.+@-]+/)+")  # of an absolute path; no URL's


@dataclass(frozen=True)
class Line:
    """One line of the report: what was compared, what must hold, and what was seen.

    Args:
        values: round by round.
        noise: what another run may differ by, as a share, even where the rounds of each agree.
    """

    name: str
    values: tuple[float, ...]
    bound: float
    at_most: bool
    detail: str
    unit: str = ""
    noise: float = NOISE

    @property
    def ratio(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self.values), max(self.values)

    @property
    def holds(self) -> bool:
        return self.ratio <= self.bound if self.at_most else self.ratio >= self.bound


@dataclass(frozen=True)
class Figure:
    """The values of one side, round by round.

    Args:
        table: the comparison, such as "refresh".
        side: the side, such as "Keyfob".
        measure: the measured quantity, such as "rate" or "p99".
        at: the place on the table's own scale, such as the number of clients; None without a scale.
    """

    table: str
    side: str
    measure: str
    unit: str
    values: tuple[float, ...]
    at: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass
class Report:
    """The results of one scene. Its lines are printed as they come."""

    lines: list[Line] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)  # sides that were not measured, and why
    sides: dict[str, dict[str, str]] = field(
        default_factory=dict
    )  # the facts about each side that a reader needs

    def add(
        self,
        name: str,
        values: Sequence[float],
        bound: float,
        detail: str,
        *,
        at_most: bool,
        unit: str = "",
        noise: float = NOISE,
    ) -> None:
        """Add a line of the median of `values` against its bound."""
        line = Line(name, tuple(values), bound, at_most, detail, unit, noise)
        self.lines.append(line)
        print(render(line), flush=True)

    def figure(
        self,
        table: str,
        side: str,
        measure: str,
        unit: str,
        values: Sequence[float],
        *,
        at: float | None = None,
    ) -> None:
        """Store the values of one side."""
        self.figures.append(Figure(table, side, measure, unit, tuple(values), at))

    def note(self, text: str) -> None:
        """Store a remark that readers need beside the figures."""
        if text not in self.notes:
            self.notes.append(text)

    def without(self, side: str, reason: str) -> None:
        """Record a side that was not measured, and why."""
        self.absent[side] = _FOLDERS.sub("", reason)  # no path of the machine is stored
        print(f"absent {side}: {reason}", flush=True)


def render(line: Line) -> str:
    """Write a line: verdict, name, median, spread, bound, detail."""
    sign = "<=" if line.at_most else ">="
    low, high = line.spread
    figure = f"{line.ratio:8.3f}{line.unit} ({low:.3f} to {high:.3f})"
    verdict = "holds" if line.holds else "MISSES"
    return (
        f"{verdict:6} {line.name:44} {figure:34} {sign} {line.bound:g}{line.unit}   {line.detail}"
    )


def in_turn(rounds: int, *sides: Callable[[], T]) -> list[list[T]]:
    """Run the sides A B A B ...; return the figures of each side, round by round."""
    seen: list[list[T]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, figures in zip(sides, seen, strict=True):
            figures.append(side())
    return seen


def ratios(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """Return first/second pair by pair, so that a drift of the machine cancels out."""
    return [a / b for a, b in zip(first, second, strict=True)]
