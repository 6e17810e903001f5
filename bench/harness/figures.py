"""Figures: CPU and memory of processes, rounds in turn, medians and ratios first."""

import os
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time, user and system, that processes have used."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def resident_mb(pid: int) -> float:
    """Resident memory in MB (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError(pid)


@dataclass
class Line:
    """One line of the report: what was compared, what must hold, and what was seen."""

    name: str
    ratio: float
    bound: float
    at_most: bool
    spread: tuple[float, float]
    detail: str
    unit: str = ""

    @property
    def holds(self) -> bool:
        return self.ratio <= self.bound if self.at_most else self.ratio >= self.bound


@dataclass
class Report:
    """The lines of a run."""

    lines: list[Line] = field(default_factory=list)

    def add(
        self,
        name: str,
        values: Sequence[float],
        bound: float,
        detail: str,
        *,
        at_most: bool,
        unit: str = "",
    ) -> None:
        """Add a line of the median of `values` against its bound."""
        median = statistics.median(values)
        line = Line(name, median, bound, at_most, (min(values), max(values)), detail, unit)
        self.lines.append(line)
        print(render(line), flush=True)


def render(line: Line) -> str:
    """Write a line: verdict, name, median, spread, bound, detail."""
    sign = "<=" if line.at_most else ">="
    low, high = line.spread
    figure = f"{line.ratio:8.3f}{line.unit} ({low:.3f} to {high:.3f})"
    verdict = "holds" if line.holds else "MISSES"
    return (
        f"{verdict:6} {line.name:44} {figure:34} {sign} {line.bound:g}{line.unit}   {line.detail}"
    )


def in_turn(rounds: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Run the sides A B A B ...; return the figures of each side, round by round."""
    seen: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, figures in zip(sides, seen, strict=True):
            figures.append(side())
    return seen


def ratios(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """Return first/second pair by pair, so that a drift of the machine cancels out."""
    return [a / b for a, b in zip(first, second, strict=True)]
