"""`docs/drills.md`, written from the results, so that no figure in it is typed by hand."""

import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

# How a drill works and how its line is read; the results come below it.
_HEAD = Path(__file__).with_suffix(".md")


def page(drills: Mapping[str, Callable[..., Any]], results: Mapping[str, dict[str, Any]]) -> str:
    """Write the page: the table, and each drill by its docstring with what was seen."""
    lines = [_HEAD.read_text(), "## Results\n", _machines(results)]
    lines += ["| drill | verdict | in flight | acknowledged | refused | lost | recovered in |"]
    lines += ["|---|---|---|---|---|---|---|"]
    lines += [_row(name, results.get(name)) for name in drills]
    lines += [""]
    for name, drill in drills.items():
        lines += _story(name, drill, results.get(name))
    return "\n".join(lines).rstrip() + "\n"


def _machines(results: Mapping[str, dict[str, Any]]) -> str:
    places = {
        f"Python {told['python']} on {told['system']}, {told['cores']} cores"
        for told in results.values()
    }
    return f"Run on {'; '.join(sorted(places))}.\n" if places else "Not run yet.\n"


def _row(name: str, told: dict[str, Any] | None) -> str:
    if told is None or told["unavailable"]:
        return f"| [{name}](#{name}) | not run | | | | | |"
    recovered = told["recovered_in"]
    cells = [
        told["verdict"],
        told["in_flight"],
        told["acknowledged"],
        told["refused"],
        len(told["lost"]),
        "" if recovered is None else f"{recovered:.2f} s",
    ]
    return f"| [{name}](#{name}) | {' | '.join(map(str, cells))} |"


def _story(name: str, drill: Callable[..., Any], told: dict[str, Any] | None) -> Iterator[str]:
    yield f"### {name}\n"
    paragraphs = inspect.cleandoc(drill.__doc__ or "").split("\n\n")
    for paragraph in paragraphs:
        yield textwrap.fill(" ".join(paragraph.split()), 104, break_on_hyphens=False) + "\n"
    if told is None:
        return
    if told["unavailable"]:
        yield f"Not run: {told['unavailable']}.\n"
        return
    wrong = [f"{what}: {item}" for what in ("lost", "unexpected", "late") for item in told[what]]
    seen = [*wrong[:20], *told["notes"]]
    if seen:
        yield "Seen:\n"
        yield "\n".join(f"- {item}" for item in seen) + "\n"
