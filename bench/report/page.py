"""The page docs/benchmarks.md: prose that holds no figure, and the figures of bench/results."""

from collections.abc import Callable

from bench.harness.figures import Line
from bench.harness.results import Document
from bench.report import field, sections
from bench.report.series import Documents, Plot, all_plots
from bench.report.tables import cell, number, table, text_table
from bench.scenes.catalogue import BEYOND, LINES

ROUNDS, SECONDS = 5, 2.0  # what a full run takes; less is a trial

_INTRODUCTION = """\
# Benchmarks

`make bench-report` writes this page from `bench/results`. No figure was typed by hand: change what
is measured in `bench/`, not this page. The last table says when each scene was measured.

Each scene starts what it compares on one machine and one PostgreSQL with the durability of
production. It measures the two sides in turn, A B A B, with the same clients, each of which sends
its next request after the answer to the last. A figure is the median of the rounds. A ratio is
taken round by round, so that a machine that slows down slows both sides. Absolute figures are true
of this machine only; ratios are similar elsewhere.

Where Keyfob is compared with other software, every server has one worker, no request limits, and
its own database over TCP. All of them run and are warmed up, and one at a time is under load.
Clients, server and database share the cores."""

_AGAIN = """\
## Measure it yourself

```sh
make bench        # the lines below, beside the committed ratios: about twenty minutes on two cores
make bench-full   # everything on this page, contestants too: nearly two hours; then writes it anew
```

`make bench-full ARGS="storm_in_full million"` measures some scenes again and keeps the others.
`make bench` fails if a line misses its bound, or if a ratio is worse than the committed one by more
than the noise (`bench/harness/comparison.py` says what counts as noise)."""


def write(documents: Documents) -> str:
    """Write the whole page."""
    documents = {name: documents[name] for name in LINES + BEYOND if name in documents}
    plots = {plot.name: plot for plot in all_plots(documents)}
    parts = [[_INTRODUCTION], _trial(documents), _machine(documents), [_AGAIN], _lines(documents)]
    for scene, section in _SECTIONS.items():
        if scene in documents:
            parts.append(section(documents[scene], plots))
    parts += [_absent(documents), _scenes(documents)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


Section = Callable[[Document, dict[str, Plot]], list[str]]
_SECTIONS: dict[str, Section] = {
    "field_login": field.login,
    "field_register": field.register,
    "field_refresh": field.refresh,
    "field_me": field.me,
    "field_programs": field.programs,
    "field_apps": field.apps,
    "field_size": field.size,
    "storm_in_full": sections.storm,
    "field_storm": field.storm,
    "million": sections.lists,
    "field_lists": field.lists,
    "pages": sections.pages,
    "console": sections.console,
    "growth_in_full": sections.growth,
    "workers": sections.workers,
    "ceiling": sections.ceiling,
}


def _trial(documents: Documents) -> list[str]:
    short = [
        f"`{scene}` ({document.rounds} x {document.seconds:g} s)"
        for scene, document in documents.items()
        if document.rounds < ROUNDS or document.seconds < SECONDS
    ]
    if not short:
        return []
    return [
        "> [!WARNING]",
        "> **A trial run.** Too short to quote, and perhaps on a busy machine: "
        f"{', '.join(short)}. A full run takes {ROUNDS} rounds of {SECONDS:g} s.",
    ]


def _machine(documents: Documents) -> list[str]:
    """Describe the machine of the newest scene; the last table has what differs."""
    if not documents:
        return []
    newest = max(documents.values(), key=lambda document: document.at)
    seen = newest.machine
    packages = ", ".join(f"{name} {version}" for name, version in seen["packages"].items())
    rows = [
        ("cores", f"{seen['cores']} ({seen['cpu']})"),
        ("memory", f"{seen['memory_gb']} GB"),
        ("kernel", f"Linux {seen['kernel']}"),
        ("Python", seen["python"]),
        ("PostgreSQL", seen["postgresql"]),
        ("packages", packages),
    ]
    return ["## The machine", "", *text_table(("", ""), rows)]


def _lines(documents: Documents) -> list[str]:
    lines = [line for document in documents.values() for line in document.lines]
    missed = sum(not line.holds for line in lines)
    said = "All hold." if not missed else f"{len(lines) - missed} of {len(lines)} hold."
    rows = [_line(line) for line in lines]
    head = ("line", "", "median", "least to most", "must be", "seen")
    return ["## What must hold", "", said, "", *text_table(head, rows)]


def _line(line: Line) -> tuple[str, ...]:
    low, high = line.spread
    return (
        cell(line.name),
        "holds" if line.holds else "**misses**",
        f"**{number(line.ratio)}**{line.unit}",
        f"{number(low)} to {number(high)}" if len(line.values) > 1 else "once",
        f"{'≤' if line.at_most else '≥'} {line.bound:g}{line.unit}",
        cell(line.detail),
    )


def _absent(documents: Documents) -> list[str]:
    absent: dict[str, str] = {}
    for document in documents.values():
        absent.update(document.absent)
    if not absent:
        return []
    rows = [(cell(side), cell(reason)) for side, reason in sorted(absent.items())]
    return ["## Not measured", "", *text_table(("who", "why"), rows)]


def _scenes(documents: Documents) -> list[str]:
    rows = [
        (
            f"`{document.command}`",
            document.at,
            f"{document.rounds} x {document.seconds:g} s",
            f"{document.took_seconds:g} s",
            number(document.load_before),
            document.machine["commit"],
        )
        for document in documents.values()
    ]
    head = ("scene", "measured", "rounds", "took", "load before", "commit")
    return ["## Each scene", "", *table(head, rows)]
