"""The sections of the page, one a scene."""

from collections.abc import Sequence

from bench.harness.results import Document
from bench.report.series import Plot, role_of
from bench.report.tables import Grid, cell, number, table, text_table

OURS = "Keyfob"
Plots = dict[str, Plot]


def login(document: Document, plots: Plots) -> list[str]:
    """Logins in the field."""
    return [
        "## Logins",
        "",
        "A login costs its password hash, so each is measured at its own hash and, where that can "
        "be set, at ours. What is left to compare is how much of the machine the hashing gets.",
        "",
        *_picture(plots, "throughput-login"),
        *_field(document, "login"),
        "",
        *_contestants(document),
        *_notes(document, "login"),
    ]


def register(document: Document, _: Plots) -> list[str]:
    """Registering in the field."""
    return ["## Registering", "", *_field(document, "register"), *_notes(document, "register")]


def refresh(document: Document, plots: Plots) -> list[str]:
    """Refreshes in the field."""
    return [
        "## Refreshes",
        "",
        "The limits run the one statement that a refresh of Keyfob costs: pgbench, which is C, "
        "bare asyncpg, and a bare ASGI app that also signs a token.",
        "",
        *_picture(plots, "throughput-refresh"),
        *_field(document, "refresh"),
        *_notes(document, "refresh"),
    ]


def me(document: Document, plots: Plots) -> list[str]:
    """Session checks in the field."""
    return [
        "## Who am I",
        "",
        "`GET /me`, or what each has for a session check. Keyfob remembers a token that it "
        "verified; the bare app verifies each time.",
        "",
        *_picture(plots, "throughput-me"),
        *_field(document, "me"),
        *_notes(document, "me"),
    ]


def size(document: Document, _: Plots) -> list[str]:
    """Start-up and memory in the field."""
    grid = Grid(document.figures)
    measures = ("start", "memory at rest", "memory after load")
    rows = [
        (cell(side), *(grid.write(side, None, measure) for measure in measures))
        for side in grid.sides
    ]
    head = ("", "start to the first 200, s", "memory at rest, MB", "after load, MB")
    said = "Resident memory of all processes of a server, added up; the database is not among them."
    return ["## Start and memory", "", said, "", *table(head, rows)]


def storm(document: Document, plots: Plots) -> list[str]:
    """The login storm."""
    grid = Grid(document.figures)
    rows = [
        (
            f"{place:g} %",
            grid.write("calm", place, "latency"),
            grid.write("storm", place, "latency"),
        )
        for place in grid.places
    ]
    rows.append(
        ("refreshes a second", grid.write("calm", None, "rate"), grid.write("storm", None, "rate"))
    )
    told = [
        (cell(measure), f"{number(figure.median)} {figure.unit}")
        for measure in grid.measures
        if (figure := grid.find("logins", None, measure))
    ]
    return [
        "## A login storm",
        "",
        "Logins arrive at twice the rate that the machine can hash, whether or not those before "
        "were answered, while eight clients refresh. Hashing has threads of its own, at low "
        "priority, and a bounded queue: who cannot be served soon is told so at once.",
        "",
        *_picture(plots, "storm"),
        *table(("latency of refreshes, ms", "in calm", "in the storm"), rows),
        "",
        *table(("what the logins were told", ""), told),
    ]


def lists(document: Document, plots: Plots) -> list[str]:
    """Lists and logs as tables grow."""
    grid = Grid([figure for figure in document.figures if figure.table == "lists"])
    rows = [
        (cell(side), *(grid.write(side, place, "p50") for place in grid.places))
        for side in grid.sides
    ]
    head = ("median, ms", *(f"{place:,.0f} users" for place in grid.places))
    return [
        "## Lists, search and logs",
        "",
        "Each user has three sessions and ten login events. Pages are read by key, never by "
        "counting past rows; search has a trigram index.",
        "",
        *_picture(plots, "lists"),
        *table(head, rows),
        "",
        *document.notes,
    ]


def growth(document: Document, plots: Plots) -> list[str]:
    """What refreshes leave behind."""
    grid = Grid(document.figures)
    rows = [
        (
            f"{place:g}",
            grid.write("tables and indexes", place, "size"),
            grid.write("refresh", place, "p50"),
            grid.write("refresh", place, "p99"),
        )
        for place in grid.places
    ]
    return [
        "## Growth",
        "",
        "A session is one row, and a refresh changes it in place. Nothing may grow with refreshes.",
        "",
        *_picture(plots, "growth-size"),
        *_picture(plots, "growth-latency"),
        *table(("tenth", "all tables and indexes, MB", "refresh p50, ms", "p99, ms"), rows),
    ]


def workers(document: Document, _: Plots) -> list[str]:
    """One worker and two."""
    rows = []
    for name in dict.fromkeys(figure.table for figure in document.figures):
        grid = Grid([figure for figure in document.figures if figure.table == name])
        one, two = grid.sides[0], grid.sides[-1]
        rows += [
            (
                f"{name.removesuffix(', workers')}, {place:g} clients",
                grid.write(one, place, "rate"),
                grid.write(two, place, "rate"),
                grid.ratio(two, one, place, "rate"),
                grid.write(one, place, "p99"),
                grid.write(two, place, "p99"),
            )
            for place in grid.places
        ]
    head = ("a second", "1 worker", "2 workers", "ratio", "p99 of 1, ms", "p99 of 2, ms")
    said = "Clients and database share the cores with the workers, and compete with the second."
    return ["## One worker and two", "", said, "", *table(head, rows)]


def ceiling(document: Document, _: Plots) -> list[str]:
    """What the load generator can do."""
    grid = Grid(document.figures)
    place = grid.places[0]
    rows = [
        (
            side,
            grid.write(side, place, "rate"),
            grid.write(side, place, "p99"),
            grid.write(side, place, "client CPU"),
        )
        for side in grid.sides
    ]
    return [
        "## The load generator",
        "",
        "Our clients are one Python process on uvloop; wrk is C. Both ask a bare ASGI app for a "
        "route that does nothing. A side that comes near these rates is held back by its clients.",
        "",
        *table(("", "requests a second", "p99, ms", "client CPU a request, ms"), rows),
    ]


def _picture(plots: Plots, name: str) -> list[str]:
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


def _field(document: Document, name: str) -> list[str]:
    """The table of a scene of the field: Keyfob, those beside it by rate, the limits."""
    grid = Grid([figure for figure in document.figures if figure.table == name])
    if OURS not in grid.sides:
        return []
    middle = 8.0 if 8.0 in grid.places else grid.places[0]
    rows = [
        (
            f"**{side}**" if side == OURS else cell(side),
            grid.ratio(side, OURS, middle, "rate"),
            *(grid.write(side, place, "rate") for place in grid.places),
            *(
                grid.write(side, middle, measure)
                for measure in ("p50", "p99", "server CPU", "database CPU")
            ),
        )
        for side in _in_order(grid, middle)
    ]
    clients = [f"{place:g} client{'s' if place > 1 else ''}, /s" for place in grid.places]
    head = (
        *("", "beside Keyfob", *clients),
        *("p50, ms", "p99, ms", "server CPU, ms", "database CPU, ms"),
    )
    failed = [
        f"{side}: {number(100 * max(figure.values))} % of answers were no success."
        for side in grid.sides
        if (figure := grid.find(side, middle, "not 2xx"))
    ]
    said = f"Latencies, CPU time a request, and the ratio of rates: at {middle:g} clients."
    return [*table(head, rows), "", said, *failed]


def _in_order(grid: Grid, place: float) -> Sequence[str]:
    ranks = {"ours": 0, "peer": 1, "limit": 2}

    def key(side: str) -> tuple[int, float]:
        figure = grid.find(side, place, "rate")
        return ranks[role_of(side)], -figure.median if figure else 0.0

    return sorted(grid.sides, key=key)


def _contestants(document: Document) -> list[str]:
    rows = [
        (cell(side), about.get("version", ""), about.get("runtime", ""), cell(about["hashing"]))
        for side, about in document.sides.items()
        if ", bcrypt" not in side
    ]
    return text_table(("contestant", "version", "runtime", "its own hash"), rows)


def _notes(document: Document, action: str) -> list[str]:
    """What one must know of a side to compare it fairly."""
    found = [
        f"- {cell(side)}: {cell(about[f'note on {action}'])}"
        for side, about in document.sides.items()
        if f"note on {action}" in about
    ]
    return ["", *found] if found else []
