"""The sections of the page, one a scene: those of Keyfob in the field."""

from collections.abc import Sequence

from bench.harness.results import Document
from bench.report.series import role_of
from bench.report.tables import Grid, Plots, cell, number, picture, table, text_table

OURS = "Keyfob"


def login(document: Document, plots: Plots) -> list[str]:
    """Logins in the field."""
    return [
        "## Logins",
        "",
        "A login costs its password hash, so each is measured at its own hash and, where that can "
        "be set, at ours. What is left to compare is how much of the machine the hashing gets.",
        "",
        *picture(plots, "throughput-login"),
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
        *picture(plots, "throughput-refresh"),
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
        *picture(plots, "throughput-me"),
        *_field(document, "me"),
        *_notes(document, "me"),
    ]


def programs(document: Document, _: Plots) -> list[str]:
    """Introspection and client credentials in the field."""
    return [
        "## Programs",
        "",
        "Tokens by client credentials, and the introspection of one's own token, beside a refresh "
        "of Keyfob in the same run. Keyfob has its limits on and issues JWTs (EdDSA); the others "
        "issue what they come with and, where it says signed, JWTs (EdDSA, Ory Hydra ES256).",
        "",
        *_field(document, "programs", beside=f"{OURS}, refresh"),
        *_notes(document, "program token"),
        *_notes(document, "program introspects"),
    ]


def apps(document: Document, _: Plots) -> list[str]:
    """Sign-ins to apps and userinfo in the field."""
    return [
        "## Apps",
        "",
        "Sign-ins to an app by code, of people who are signed in and have allowed it before, and "
        "userinfo, beside a refresh of Keyfob in the same run. Keyfob has its limits on; its "
        "access tokens are JWTs (EdDSA), its ID tokens signed by RS256 (3,072 bits).",
        "",
        *_field(document, "apps", beside=f"{OURS}, refresh"),
        *_notes(document, "app"),
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
    """A login storm in the field."""
    calm, stormy, told = (
        Grid([figure for figure in document.figures if figure.table == f"field, {table}"])
        for table in ("calm", "storm", "logins")
    )
    sides = sorted(stormy.sides, key=lambda side: (side != OURS, _at(stormy, side, 99.0)))
    rows = [
        (
            _named(side),
            calm.write(side, None, "rate"),
            stormy.write(side, None, "rate"),
            *(grid.write(side, at, "latency") for at in (50, 99) for grid in (calm, stormy)),
        )
        for side in sides
    ]
    head = (
        *("", "calm, /s", "storm, /s"),
        *("p50 in calm, ms", "p50 in the storm, ms", "p99 in calm, ms", "p99 in the storm, ms"),
    )
    answers = [
        (_named(side), *(told.write(side, None, measure) for measure in told.measures))
        for side in sides
    ]
    units = {figure.measure: figure.unit for figure in document.figures}
    checks = [side for side in sides if document.sides[side]["works in the storm"] == "me"]
    said = f" ({', '.join(checks)}: session checks, for want of refreshes)" if checks else ""
    return [
        "## A login storm in the field",
        "",
        "Logins arrive at twice what each does with eight clients, while eight clients refresh"
        f"{said}. Each runs alone, as it comes.",
        "",
        *picture(plots, "storm-in-the-field"),
        *table(head, rows),
        "",
        "What the logins were told. Who has no answer after ten seconds leaves.",
        "",
        *table(("", *(f"{measure}, {units[measure]}" for measure in told.measures)), answers),
    ]


def lists(document: Document, _: Plots) -> list[str]:
    """The section about lists and search in the field."""
    written = [
        "## Lists and search in the field",
        "",
        "One administrator asks for the first 50 users, for one page after the other, and for the "
        "one user whose address has a given part.",
    ]
    for action, title in (
        ("list", "First page"),
        ("page", "Page after page"),
        ("search", "Search"),
    ):
        grids = {
            figure.table: Grid([each for each in document.figures if each.table == figure.table])
            for figure in document.figures
            if figure.table.startswith(f"{action}, ")
        }
        if grids:
            written += ["", f"### {title}", "", *_sizes(grids), *_notes(document, action)]
    return written


def _sizes(grids: dict[str, Grid]) -> list[str]:
    """The table of one action: latency and its CPU time at each size."""
    measures = {"p50": "p50, ms", "p99": "p99, ms", "database CPU": "database CPU, ms"}
    sides = {side for grid in grids.values() for side in grid.sides}
    largest = list(grids.values())[-1]
    rows = [
        (
            _named(side),
            *(grid.write(side, 1, measure) for grid in grids.values() for measure in measures),
        )
        for side in sorted(sides, key=lambda side: (side != OURS, _at(largest, side, 1, "p50")))
    ]
    head = [f"{name.partition(', ')[2]}: {said}" for name in grids for said in measures.values()]
    return table(("", *head), rows)


def _at(grid: Grid, side: str, at: float, measure: str = "latency") -> float:
    figure = grid.find(side, at, measure)
    return figure.median if figure else 0.0


def _named(side: str) -> str:
    return f"**{side}**" if role_of(side) == "ours" else cell(side)


def _field(document: Document, name: str, beside: str = OURS) -> list[str]:
    """The table of a scene of the field: Keyfob, those beside it by rate, the limits.

    `beside`: whose rate the others are compared with.
    """
    grid = Grid([figure for figure in document.figures if figure.table == name])
    if beside not in grid.sides:
        return []
    middle = 8.0 if 8.0 in grid.places else grid.places[0]
    rows = [
        (
            _named(side),
            grid.ratio(side, beside, middle, "rate"),
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
        *("", f"beside {beside}", *clients),
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
    """The facts about each side that a fair comparison needs."""
    found = [
        f"- {cell(side)}: {cell(about[f'note on {action}'])}"
        for side, about in document.sides.items()
        if f"note on {action}" in about
    ]
    return ["", *found] if found else []
