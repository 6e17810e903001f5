"""The verdicts of the suite, kept in results.json, as the page docs/conformance.md."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.plans import PLANS
from conformance.remarks import EXPLAINED
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
        "modules": [verdict._asdict() for verdict in verdicts],
    }
    path.write_text(json.dumps(kept, indent=1) + "\n")


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
    yield f"| plan | modules | {' | '.join(map(str.lower, _RESULTS_IN_ORDER))} | run at |"
    yield "| --- " * (len(_RESULTS_IN_ORDER) + 3) + "|"
    for name, plan in PLANS.items():
        if name not in kept:
            yield f"| {plan.title} | {plan.modules} |{' |' * len(_RESULTS_IN_ORDER)} not run yet |"
            continue
        modules = kept[name]["modules"]
        counts = Counter(module["result"] for module in modules)
        numbers = " | ".join(str(counts[result] or "") for result in _RESULTS_IN_ORDER)
        yield f"| {plan.title} | {len(modules)} | {numbers} | {kept[name]['at']} |"


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
    remarks = [_explained(remark) for remark in module["remarks"]]
    return f"| {module['module']} | {module['result']} | {' '.join(remarks)} |"


def _explained(remark: str) -> str:
    """Return the explanation of a remark, or what the suite says."""
    condition, _, said = remark.partition(": ")
    return f"`{condition}`: {EXPLAINED.get(condition, said)}"
