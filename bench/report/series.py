"""The data of the plots, taken from the results, so that tests need nothing that draws."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from bench.harness.figures import Figure
from bench.harness.results import Document

Documents = Mapping[str, Document]
Role = Literal["ours", "peer", "limit"]
Scale = Literal["log", "linear", "nines"]


@dataclass(frozen=True)
class Series:
    """One line of a plot, labelled at its end."""

    label: str
    role: Role
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Plot:
    """One plot. On the scale "nines", x are percentiles and each nine is as wide as the last.

    Args:
        name: of its files.
        alt: what one who cannot see it is told.
        bound: a level of y that must not be passed, with its words.
    """

    name: str
    title: str
    alt: str
    x_label: str
    y_label: str
    x_scale: Scale
    y_scale: Scale
    series: tuple[Series, ...]
    bound: tuple[float, str] | None = None

    @property
    def digest(self) -> str:
        """Names the data of the plot; its files hold it, so that one can tell whose they are."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def all_plots(documents: Documents) -> list[Plot]:
    """Return the plots that these results can show."""
    wanted = [
        _throughput(documents, "login", "Logins, each at its own password hash"),
        _throughput(documents, "refresh", "Refreshes"),
        _throughput(documents, "me", "Who am I: GET /me, or a session check"),
        _storm(documents),
        _field_storm(documents),
        _lists(documents),
        _growth_size(documents),
        _growth_latency(documents),
    ]
    return [plot for plot in wanted if plot.series]


def role_of(side: str) -> Role:
    """Tell who a side is from its name."""
    if side.startswith("limit:"):
        return "limit"
    return "ours" if side.partition(", ")[0] == "Keyfob" else "peer"


def _throughput(documents: Documents, action: str, title: str) -> Plot:
    found = _figures(documents, f"field_{action}", lambda f: f.measure == "rate")
    # A hash that is not its own is in the tables; here it would be a line too many.
    own = [figure for figure in found if ", bcrypt" not in figure.side]
    series = _series(own, role_of)
    return Plot(
        f"throughput-{action}",
        f"{title}: how many a second",
        f"{title}: rate against 1, 8 and 32 clients, for Keyfob, the field and the limits",
        "clients at once",
        "a second",
        "log",
        "log",
        tuple(series),
    )


def _storm(documents: Documents) -> Plot:
    found = _figures(documents, "storm_in_full", lambda f: f.measure == "latency")
    names = {"calm": "in calm", "storm": "in the storm"}
    series = _series(found, lambda side: "ours" if side == "storm" else "peer")
    return Plot(
        "storm",
        "A refresh while twice as many sign in as can be hashed",
        "Latency of refreshes by percentile, in calm and in the storm",
        "percentile of refreshes",
        "ms",
        "nines",
        "log",
        tuple(Series(names[one.label], one.role, one.x, one.y) for one in series),
        (25, "bound of p99: 25 ms"),
    )


def _field_storm(documents: Documents) -> Plot:
    return Plot(
        "storm-in-the-field",
        "A refresh, or a session check, while twice as many sign in as each can",
        "Latency of refreshes or session checks in the storm by percentile, Keyfob and the field",
        "percentile",
        "ms",
        "nines",
        "log",
        tuple(
            _series(
                _figures(
                    documents,
                    "field_storm",
                    lambda f: f.table == "field, storm" and f.measure == "latency",
                ),
                role_of,
            )
        ),
    )


def _lists(documents: Documents) -> Plot:
    of_scene = [
        _figures(documents, scene, lambda f: f.table == "lists") for scene in ("million", "lists")
    ]
    # Both measure the smallest size; the run that goes to a million gives it.
    seen: dict[tuple[str, float | None], Figure] = {}
    for figures in of_scene:
        for figure in figures:
            seen.setdefault((figure.side, figure.at), figure)
    return Plot(
        "lists",
        "Lists, search and logs as the tables grow",
        "Median latency of admin list, page, search and login logs against the number of users",
        "users",
        "ms, median",
        "log",
        "linear",
        tuple(_series(seen.values(), lambda _: "peer")),
    )


def _growth_size(documents: Documents) -> Plot:
    found = _figures(documents, "growth_in_full", lambda f: f.measure == "size")
    return Plot(
        "growth-size",
        "All tables and indexes, over a million refreshes",
        "Size of all tables and indexes, before and after each tenth of a million refreshes",
        "tenths of the refreshes",
        "MB",
        "linear",
        "linear",
        tuple(_series(found, lambda _: "ours")),
    )


def _growth_latency(documents: Documents) -> Plot:
    found = _figures(documents, "growth_in_full", lambda f: f.measure in ("p50", "p99"))
    roles: dict[str, Role] = {"p50": "ours", "p99": "peer"}
    series = [
        Series(measure, role, *_points([f for f in found if f.measure == measure]))
        for measure, role in roles.items()
        if found
    ]
    return Plot(
        "growth-latency",
        "A refresh, over a million refreshes",
        "Latency of a refresh in each tenth of a million refreshes",
        "tenths of the refreshes",
        "ms",
        "linear",
        "linear",
        tuple(series),
    )


def _figures(documents: Documents, scene: str, wanted: Callable[[Figure], bool]) -> list[Figure]:
    if scene not in documents:
        return []
    return [f for f in documents[scene].figures if f.at is not None and wanted(f)]


def _series(figures: Iterable[Figure], role: Callable[[str], Role]) -> list[Series]:
    by_side: dict[str, list[Figure]] = {}
    for figure in figures:
        by_side.setdefault(figure.side, []).append(figure)
    return [Series(side, role(side), *_points(found)) for side, found in by_side.items()]


def _points(figures: Iterable[Figure]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    ordered = sorted((figure.at or 0.0, figure.median) for figure in figures)
    return tuple(x for x, _ in ordered), tuple(y for _, y in ordered)
