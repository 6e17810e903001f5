"""Tables and numbers as the page writes them."""

import statistics
from collections.abc import Iterable, Sequence

from bench.harness.figures import Figure
from bench.report.series import Plot

Plots = dict[str, Plot]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a table in Markdown; the first column is text, the others are figures."""
    rules = ["---", *("---:" for _ in head[1:])]
    return [f"| {' | '.join(row)} |" for row in (head, rules, *rows)]


def text_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a table in Markdown whose columns are text."""
    return [f"| {' | '.join(row)} |" for row in (head, ["---" for _ in head], *rows)]


def picture(plots: Plots, name: str) -> list[str]:
    """Write a plot of that name, if there is one, in its two themes."""
    if name not in plots:
        return []
    source = f"benchmarks/{name}"
    return [
        "<picture>",
        f'  <source media="(prefers-color-scheme: dark)" srcset="{source}-dark.svg">',
        f'  <img src="{source}-light.svg" alt="{plots[name].alt}">',
        "</picture>",
        "",
    ]


def cell(text: str) -> str:
    """Make text fit for a cell."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


def number(value: float) -> str:
    """Write a figure with three digits that matter."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3f}"


NOTHING = "-"  # was not measured


class Grid:
    """Figures to look up by side, place and measure."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._figures = {(f.side, f.at, f.measure): f for f in figures}
        self.sides = list(dict.fromkeys(side for side, _, _ in self._figures))
        self.places = sorted({at for _, at, _ in self._figures if at is not None})
        self.measures = list(dict.fromkeys(measure for _, _, measure in self._figures))

    def find(self, side: str, at: float | None, measure: str) -> Figure | None:
        """The figure there, if it was measured."""
        return self._figures.get((side, at, measure))

    def write(self, side: str, at: float | None, measure: str, unit: str = "") -> str:
        """The median there, or a dash."""
        figure = self.find(side, at, measure)
        return f"{number(figure.median)}{unit}" if figure else NOTHING

    def ratio(self, side: str, other: str, at: float, measure: str) -> str:
        """The median of side/other, round by round, or a dash."""
        first, second = self.find(side, at, measure), self.find(other, at, measure)
        if first is None or second is None:
            return NOTHING
        pairs = zip(first.values, second.values, strict=False)
        return number(statistics.median(a / b for a, b in pairs))
