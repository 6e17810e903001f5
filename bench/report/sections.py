"""The sections of the page, one a scene: those of Keyfob alone."""

from bench.harness.results import Document
from bench.report.tables import Grid, Plots, cell, number, picture, table


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
        *picture(plots, "storm"),
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
        *picture(plots, "lists"),
        *table(head, rows),
        "",
        *document.notes,
    ]


def pages(document: Document, _: Plots) -> list[str]:
    """CPU and bytes of pages."""
    grid = Grid(document.figures)
    rows = [
        (cell(side), grid.write(side, None, "server CPU"), grid.write(side, None, "bytes"))
        for side in grid.sides
    ]
    return [
        "## Pages",
        "",
        "Rendered on the server, with ten thousand users in the database. Bytes are those of the "
        "page alone, compressed: what comes after the first visit.",
        "",
        *table(("page", "CPU of the server, ms", "kB"), rows),
    ]


def console(document: Document, _: Plots) -> list[str]:
    """Lists of the console at a million users."""
    grid = Grid([figure for figure in document.figures if figure.table == "console"])
    lists = [side for side in grid.sides if grid.find(side, None, "time")]
    return [
        "## The console at a million users",
        "",
        "Pages of 25, from the request to the last byte. Half of the users have an address that is "
        "verified, and one in three of these has an app for codes.",
        "",
        *table(
            ("list", "median, ms"), [(cell(side), grid.write(side, None, "time")) for side in lists]
        ),
    ]


def growth(document: Document, plots: Plots) -> list[str]:
    """The section about the space that refreshes take."""
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
        *picture(plots, "growth-size"),
        *picture(plots, "growth-latency"),
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
    """The section about the limits of the load generator."""
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
