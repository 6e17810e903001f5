"""Draws the plots as SVG, light and dark. Run by the Python of .bench/report, which has matplotlib.

Colours are those of Okabe and Ito, which the colour-blind can tell apart; each line also has a
marker, and its label stands at its end, so that no legend is needed.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import ticker
from matplotlib.figure import Figure as Canvas

from bench.harness import results
from bench.report.series import Plot, Role, Series, all_plots

FOLDER = Path("docs/benchmarks")
_INCHES = (8.4, 4.2)
_MARKERS = "osD^vPX*h<>p"
_BETWEEN_LABELS = 0.058  # of the height of the plot


@dataclass(frozen=True)
class Theme:
    """The colours of one background."""

    name: str
    ink: str
    faint: str
    ours: str
    limit: str
    peers: tuple[str, ...]


THEMES = (
    Theme(
        "light",
        ink="#1f2328",
        faint="#d0d7de",
        ours="#0072b2",
        limit="#6e7781",
        peers=(
            "#d55e00",
            "#007a5a",
            "#b0508a",
            "#a86f00",
            "#2f7fb8",
            "#5b5bb0",
            "#8a4b1f",
            "#4d7a1f",
            "#c2334d",
        ),
    ),
    Theme(
        "dark",
        ink="#e6edf3",
        faint="#3d444d",
        ours="#56b4e9",
        limit="#9198a1",
        peers=(
            "#ff8b3d",
            "#2fc79a",
            "#e59ac4",
            "#e6b800",
            "#7cc4ff",
            "#a8a8ff",
            "#d9a07a",
            "#a5d16a",
            "#ff8fa3",
        ),
    ),
)


def main() -> int:
    mpl.rcParams.update(
        {
            "svg.hashsalt": "keyfob",  # the same data is the same file
            "svg.fonttype": "none",
            "font.family": ["DejaVu Sans", "sans-serif"],
            "font.size": 11,
        }
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.svg"):
        old.unlink()
    for plot in all_plots(results.read_all(results.COMMITTED)):
        for theme in THEMES:
            path = FOLDER / f"{plot.name}-{theme.name}.svg"
            metadata = {"Date": None, "Creator": None, "Description": f"data {plot.digest}"}
            draw(plot, theme).savefig(path, transparent=True, metadata=metadata)
            # matplotlib ends lines of paths with a blank.
            lines = path.read_text().splitlines()
            path.write_text("\n".join(line.rstrip() for line in lines) + "\n")
    return 0


def draw(plot: Plot, theme: Theme) -> Canvas:
    """Draw one plot in one theme."""
    canvas = Canvas(figsize=_INCHES)
    axes = canvas.add_axes((0.09, 0.14, 0.62, 0.74))
    axes.set_facecolor("none")
    axes.set_title(
        plot.title, loc="left", color=theme.ink, fontsize=12.5, fontweight="bold", pad=12
    )
    axes.set_xlabel(plot.x_label, color=theme.ink)
    axes.set_ylabel(plot.y_label, color=theme.ink)
    _set_scales(axes, plot)
    ends = []
    peers = 0
    for series in plot.series:
        style = _style(series.role, theme, peers)
        peers += series.role == "peer"
        axes.plot(_places(plot, series), series.y, **style)
        ends.append((series.y[-1], series.label, style["color"], series.role))
    if plot.bound:
        level, words = plot.bound
        axes.axhline(level, color=theme.limit, linewidth=1, linestyle=(0, (2, 3)))
        ends.append((level, words, theme.limit, "limit"))
    _dress(axes, theme)
    _label(axes, ends, theme)
    return canvas


def _style(role: Role, theme: Theme, number: int) -> dict[str, Any]:
    if role == "ours":
        return {"color": theme.ours, "linewidth": 3, "marker": "o", "markersize": 7, "zorder": 5}
    if role == "limit":
        return {"color": theme.limit, "linewidth": 1.5, "linestyle": "--", "marker": "_"}
    color = theme.peers[number % len(theme.peers)]
    marker = _MARKERS[(number + 1) % len(_MARKERS)]
    return {"color": color, "linewidth": 1.7, "marker": marker, "markersize": 5}


def _places(plot: Plot, series: Series) -> list[float]:
    if plot.x_scale != "nines":
        return list(series.x)
    # Each point is a step of its own: 50, 75, 90, 95, 99, ...: a tail is what one looks for.
    steps = sorted({x for each in plot.series for x in each.x})
    return [float(steps.index(x)) for x in series.x]


def _set_scales(axes: Any, plot: Plot) -> None:
    values = sorted({x for series in plot.series for x in series.x})
    if plot.x_scale == "log":
        axes.set_xscale("log")
        axes.set_xticks(values, [_short(value) for value in values])
    elif plot.x_scale == "nines":
        axes.set_xticks(range(len(values)), [f"{value:g} %" for value in values])
    else:
        axes.set_xticks(values, [_short(value) for value in values])
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    highest = max(max(series.y) for series in plot.series)
    if plot.y_scale == "log":
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(ticker.LogLocator(base=10, subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: _short(value)))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
    else:
        axes.set_ylim(0, highest * 1.12)
        axes.yaxis.set_major_locator(ticker.MaxNLocator(6))


def _short(value: float) -> str:
    """Write a number as one reads it on an axis."""
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"


def _dress(axes: Any, theme: Theme) -> None:
    axes.grid(visible=True, axis="y", color=theme.faint, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(theme.faint)
    axes.tick_params(colors=theme.ink, length=0, pad=6)
    axes.margins(x=0.04)


def _label(axes: Any, ends: Sequence[tuple[float, str, str, str]], theme: Theme) -> None:
    """Write each label beside the end of its line, moved apart where they would touch."""
    axes.get_ylim()  # settles the limits that the next line counts on
    to_share = axes.transAxes.inverted()
    heights = [to_share.transform(axes.transData.transform((1, end[0])))[1] for end in ends]
    order = sorted(range(len(ends)), key=lambda number: heights[number])
    places = apart([heights[number] for number in order], _BETWEEN_LABELS)
    for number, place in zip(order, places, strict=True):
        _, text, color, role = ends[number]
        axes.annotate(
            text,
            xy=(0.985, heights[number]),
            xytext=(1.035, place),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            color=color,
            fontsize=10.5,
            fontweight="bold" if role == "ours" else "normal",
            arrowprops={"arrowstyle": "-", "color": theme.faint, "linewidth": 0.8, "shrinkB": 0},
            annotation_clip=False,
        )


def apart(heights: Sequence[float], least: float) -> list[float]:
    """Move rising heights as little as it takes for each to be `least` above the one before."""
    groups: list[list[float]] = []
    for height in heights:
        groups.append([height])
        while len(groups) > 1 and _bottom(groups[-1], least) < _top(groups[-2], least) + least:
            upper = groups.pop()
            groups[-1] += upper
    return [
        _bottom(group, least) + number * least for group in groups for number in range(len(group))
    ]


def _bottom(group: Sequence[float], least: float) -> float:
    """The position of the lowest label of a group, which is centred on its values."""
    return sum(group) / len(group) - least * (len(group) - 1) / 2


def _top(group: Sequence[float], least: float) -> float:
    return _bottom(group, least) + least * (len(group) - 1)


if __name__ == "__main__":
    sys.exit(main())
