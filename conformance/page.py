"""The verdicts of the suite, kept in results.json, as the page docs/conformance.md."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.plans import PLANS
from conformance.remarks import EXPLAINED, SKIPPED
from conformance.suite import Verdict

RESULTS = Path(__file__).parent / "results.json"
_PAGE = Path("docs/conformance.md")
_RESULTS_IN_ORDER = ("PASSED", "WARNING", "REVIEW", "SKIPPED", "FAILED", "INTERRUPTED")
_HEAD = """\
# Conformance

What the OpenID Foundation's conformance suite says of Keyfob. `make conformance` writes this page
from `conformance/results.json`, where a running suite is named:

<!-- not run: the suite is not part of this project -->
```sh
KEYFOB_CONFORMANCE_URL=https://localhost:8443 make conformance
```

It starts a Keyfob of its own behind TLS, registers the suite's clients, runs the plans below, and
does with a real Chromium what a person would do: sign in, allow, and show the pages that the suite
wants to see. `python -m conformance basic --module prompt` runs a part and keeps nothing.
`conformance/plans.py` has the configurations.

- **PASSED**: every condition of the module holds.
- **WARNING**: something is allowed, but not what the suite would rather see; explained below.
- **REVIEW**: all conditions hold, and a person has to look at the picture of a page, such as a
  refusal. The runner has handed it in.
- **SKIPPED**: the module tries what Keyfob does not offer, and its metadata says so.
"""


def save(path: Path, plan: str, verdicts: Sequence[Verdict]) -> None:
    """Keep the verdicts of a plan in place of those of its run before."""
    kept = load(path)
    kept[plan] = {
        "at": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "modules": [verdict._asdict() for verdict in verdicts],
    }
    path.write_text(json.dumps(kept, indent=1) + "\n")


def _commit() -> str:
    """Return the last commit that changed what is tested."""
    told = ("git", "log", "-1", "--format=%h", "--", "src", "sdk/python/src")
    return subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip()


def load(path: Path) -> dict[str, Any]:
    """Return what is kept, by plan."""
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return kept


def write_page() -> None:
    """Write the page from what is kept."""
    _PAGE.write_text(page(load(RESULTS)))


def page(kept: Mapping[str, Any]) -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_totals(kept), "", *_plans(kept)]).rstrip() + "\n"


def _totals(kept: Mapping[str, Any]) -> Iterator[str]:
    ends = map(str.lower, _RESULTS_IN_ORDER)
    heads = ("plan", "modules", *ends, "run at", "last change of `src`")
    yield _row(heads)
    yield _row(["---"] * len(heads))
    for name, plan in PLANS.items():
        if name not in kept:
            unknown = [""] * len(_RESULTS_IN_ORDER)
            yield _row([plan.title, plan.modules, *unknown, "not run yet", ""])
            continue
        run = kept[name]
        counts = Counter(module["result"] for module in run["modules"])
        numbers = [counts[result] or "" for result in _RESULTS_IN_ORDER]
        yield _row([plan.title, len(run["modules"]), *numbers, run["at"], run["commit"]])


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _plans(kept: Mapping[str, Any]) -> Iterator[str]:
    for name, plan in PLANS.items():
        if name in kept:
            variant = ", ".join(f"{key} {value}" for key, value in plan.variant.items())
            yield f"## {plan.title}\n"
            yield f"`{plan.name}`{f' ({variant})' if variant else ''}\n"
            yield "| module | result | remarks |"
            yield "| --- | --- | --- |"
            yield from map(_line, kept[name]["modules"])
            yield ""


def _line(module: Mapping[str, Any]) -> str:
    remarks = dict.fromkeys(map(_explained, module["remarks"]))
    if module["result"] == "SKIPPED":
        remarks = {SKIPPED.get(name_of(module), ""): None}
    return f"| {module['module']} | {module['result']} | {' '.join(remarks)} |"


def name_of(module: Mapping[str, Any]) -> str:
    """Return the name of a module in what is kept, without its variant."""
    name: str = module["module"]
    return name.partition(" ")[0]


def _explained(remark: str) -> str:
    """Return the explanation of a remark, or what the suite says."""
    condition, _, said = remark.partition(": ")
    return f"`{condition}`: {EXPLAINED.get(condition, said)}"
