"""Compares a run with the committed one: what got worse by more than the noise.

Only ratios are compared, and memory: a ratio was measured against something beside it in the same
minute, so it means the same on another machine. Lines in seconds or milliseconds have their bounds.

What is noise. The rounds of a run scatter; their median scatters less. With the scatter s of n
rounds (1.4826 times the median absolute deviation, which one odd round does not move), the median
is uncertain by 1.2533 s / sqrt(n), and the difference of two medians by the root of the sum of
their squares. Three times that is chance in about one of 370 comparisons. Two runs differ by more
than their rounds tell, since a machine has good and bad minutes, so each line has a floor: a tenth,
and half for tails. And a change of less than a twentieth of the bound matters to nobody.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.harness.figures import Line

Verdict = Literal["same", "better", "WORSE"]

_COMPARED_UNITS = ("", " MB")
_SCATTER_OF_DEVIATION = 1.4826
_ERROR_OF_MEDIAN = 1.2533
_CONFIDENCE = 3.0
_OF_THE_BOUND = 0.05


@dataclass(frozen=True)
class Change:
    """A line then and now. `worse_by` and `noise` are shares; better is below zero."""

    name: str
    then: float
    now: float
    worse_by: float
    noise: float
    verdict: Verdict


def compare(committed: Iterable[Line], measured: Iterable[Line]) -> list[Change]:
    """Compare the lines that both have, in the order measured."""
    then = {line.name: line for line in committed}
    return [
        change_of(then[line.name], line)
        for line in measured
        if line.unit in _COMPARED_UNITS and line.name in then
    ]


def change_of(then: Line, now: Line) -> Change:
    """Compare one line with its committed figure."""
    difference = now.ratio - then.ratio
    scale = abs(then.ratio) or abs(now.ratio) or 1.0
    worse_by = (difference if now.at_most else -difference) / scale
    noise = max(then.noise, now.noise, _chance(then.values, now.values) / scale)
    verdict: Verdict = "same"
    if abs(worse_by) > noise and abs(difference) > _OF_THE_BOUND * now.bound:
        verdict = "WORSE" if worse_by > 0 else "better"
    return Change(now.name, then.ratio, now.ratio, worse_by, noise, verdict)


def render(change: Change) -> str:
    """Write a change: verdict, name, then, now, by how much, and what counts as noise."""
    return (
        f"{change.verdict:6} {change.name:52} {change.then:8.3f} then, {change.now:8.3f} now, "
        f"{abs(change.worse_by):.0%} {'worse' if change.worse_by > 0 else 'better'}, "
        f"noise {change.noise:.0%}"
    )


def _chance(then: Sequence[float], now: Sequence[float]) -> float:
    """By how much two medians may differ by chance."""
    return _CONFIDENCE * math.hypot(_uncertainty(then), _uncertainty(now))


def _uncertainty(values: Sequence[float]) -> float:
    middle = statistics.median(values)
    deviation = statistics.median(abs(value - middle) for value in values)
    return _ERROR_OF_MEDIAN * _SCATTER_OF_DEVIATION * deviation / math.sqrt(len(values))
