"""Charts as SVG: numbers in, markup out.

Drawings are for the eye: hidden from screen readers, which read the sentence and the table that the
macro `chart` puts beside them. Positions are in percent, so that a drawing takes the width it is
given and its text keeps its size. Colours come from the stylesheet, by class.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

_PLOT_TOP, _PLOT_HEIGHT, _TICKS_AT = 16, 156, 192  # px, of the 200 that the stylesheet gives
_LEAST = 1.5  # percent: what happened at all is seen
_BAR, _GAP = 0.72, 0.14  # of the room of one bar


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One day or hour: what is told on hover, two numbers, and where a click leads.

    `tick` stands below the bar; most bars have none.
    """

    title: str
    good: int
    bad: int = 0
    href: str | None = None
    tick: str = ""


def bars(points: Sequence[Bar], say: Callable[[int], str] = str) -> Markup:
    """Return a chart of bars: the good below, the bad on top of them.

    Args:
        points: from left to right.
        say: writes a number of the scale in the reader's language.
    """
    top = round_up(max((one.good + one.bad for one in points), default=0))
    width = 100 / max(len(points), 1)
    drawn = (_bar(one, at * width, width, top) for at, one in enumerate(points))
    ticks = ((at * width + width / 2, one.tick) for at, one in enumerate(points))
    return _plot(top, say, _joined(drawn), ticks)


def area(
    values: Sequence[int], ticks: Sequence[str] = (), say: Callable[[int], str] = str
) -> Markup:
    """Return a curve over its area.

    Args:
        values: from left to right, equally far apart.
        ticks: a text below each value, or "".
        say: writes a number of the scale in the reader's language.
    """
    top = round_up(max(values, default=0))
    step = 100 / max(len(values) - 1, 1)
    places = ((at * step, tick) for at, tick in enumerate(ticks))
    return _plot(top, say, _curve(values, top), places)


def spark(values: Sequence[int], kind: str = "") -> Markup:
    """Return a small curve without a scale; `kind` is "bad" for what should be low."""
    classes = f"spark {kind}".strip()
    # The stroke of a curve along the edge is two pixels wide.
    return Markup('<svg class="{}" aria-hidden="true" focusable="false">{}</svg>').format(
        classes, _curve(values, max(1, *values) * 1.1 if values else 1)
    )


def share(part: int, whole: int) -> Markup:
    """Return a line that is filled as far as the part makes of the whole."""
    filled = 100 * part / whole if whole else 0
    return Markup(
        '<svg class="share" aria-hidden="true" focusable="false">'
        '<rect class="rest" width="100%" height="100%"/>'
        '<rect class="part" width="{}%" height="100%" rx="4"/></svg>'
    ).format(_short(min(100, max(filled, _LEAST if part else 0))))


def round_up(number: int) -> int:
    """Return the least of 2, 4, 6, 8, 10, 20, 40, ... that a number fits under."""
    scale = 1
    while number > 10 * scale:
        scale *= 10
    return next(step * scale for step in (2, 4, 6, 8, 10) if number <= step * scale)


def _bar(one: Bar, left: float, width: float, top: int) -> Markup:
    good, bad = (_height(number, top) for number in (one.good, one.bad))
    title = Markup('<title>{}</title><rect class="hit" x="{}%" width="{}%" height="100%"/>').format(
        one.title, _short(left), _short(width)
    )
    parts = title + _part("good", left, width, 100 - good, good)
    parts += _part("bad", left, width, 100 - good - bad, bad)
    if one.href is None:
        return Markup("<g>{}</g>").format(parts)
    # For the mouse: the table has the same links.
    return Markup('<a href="{}" tabindex="-1">{}</a>').format(one.href, parts)


def _part(kind: str, left: float, width: float, y: float, height: float) -> Markup:
    if not height:
        return Markup()
    return Markup('<rect class="{}" x="{}%" y="{}%" width="{}%" height="{}%" rx="1.5"/>').format(
        kind, *map(_short, (left + _GAP * width, y, _BAR * width, height))
    )


def _height(number: int, top: int) -> float:
    return max(100 * number / top, _LEAST) if number else 0


def _curve(values: Sequence[int], top: float) -> Markup:
    if not values:
        return Markup()
    step = 100 / max(len(values) - 1, 1)
    points = [f"{_short(at * step)} {_short(100 - 100 * n / top)}" for at, n in enumerate(values)]
    line = "L".join([*points, f"100 {points[-1].partition(' ')[2]}"])
    return Markup(
        '<svg width="100%" height="100%" viewBox="0 0 100 100" preserveAspectRatio="none">'
        '<path class="area" d="M0 100L{0}L100 100z"/><path class="curve" d="M{0}"/></svg>'
    ).format(line)


def _plot(
    top: int, say: Callable[[int], str], drawn: Markup, ticks: Iterable[tuple[float, str]]
) -> Markup:
    return Markup(
        '<svg class="plot" aria-hidden="true" focusable="false">{}'
        '<svg y="{}" width="100%" height="{}">{}</svg>{}{}</svg>'
    ).format(
        _joined(_line(share) for share in (0, 0.5, 1)),
        _PLOT_TOP,
        _PLOT_HEIGHT,
        drawn,
        _joined(_number(say(round(top * share)), share) for share in (0, 0.5, 1)),
        _joined(_tick(at, tick) for at, tick in ticks if tick),
    )


def _line(share: float) -> Markup:
    y = _short(_PLOT_TOP + _PLOT_HEIGHT * (1 - share))
    return Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(y)


def _number(words: str, share: float) -> Markup:
    y = _short(_PLOT_TOP + _PLOT_HEIGHT * (1 - share) + 4)
    return Markup('<text x="-8" y="{}" text-anchor="end">{}</text>').format(y, words)


def _tick(at: float, words: str) -> Markup:
    anchor = "start" if at < 6 else "end" if at > 94 else "middle"
    x = {"start": 0.0, "middle": at, "end": 100.0}[anchor]
    return Markup('<text class="tick" x="{}%" y="{}" text-anchor="{}">{}</text>').format(
        _short(x), _TICKS_AT, anchor, words
    )


def _joined(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
