"""The outcome of a drill: one line for people, one entry for the file of results."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """The actions and observations of a drill; times in seconds.

    Args:
        did: the fault, in words.
        in_flight: requests without an answer at the moment of the fault.
        acknowledged: requests answered with 2xx.
        refused: requests answered with 503.
        lost: promises that did not hold; must be empty.
        unexpected: answers, or missing ones, that nothing excuses; must be empty.
        recovered_in: from the end of the fault until requests succeed and none fails any more.
        late: bounds in seconds that were missed. A drill judges them; a test, on a machine that
            does other things too, does not.
        notes: what else was seen.
        figures: what else was measured, for the pages that tell of it.
        unavailable: why the drill could not be run here; then nothing else counts.
    """

    did: str
    in_flight: int = 0
    acknowledged: int = 0
    refused: int = 0
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    recovered_in: float | None = None
    late: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    unavailable: str = ""

    @property
    def unbroken(self) -> bool:
        """True if nothing was lost and nothing unexpected was seen, however long it took."""
        return not (self.lost or self.unexpected)

    @property
    def verdict(self) -> str:
        if self.unavailable:
            return "not run"
        return "holds" if self.unbroken and not self.late else "BREAKS"


def render(name: str, outcome: Outcome) -> str:
    """Write the line of a drill, and below it all that was wrong."""
    if outcome.unavailable:
        return f"{outcome.verdict:7} {name:24} {outcome.unavailable}"
    recovered = "-" if outcome.recovered_in is None else f"{outcome.recovered_in:.2f} s"
    line = (
        f"{outcome.verdict:7} {name:24} in flight {outcome.in_flight:3}  "
        f"acknowledged {outcome.acknowledged:6}  lost {len(outcome.lost):2}  "
        f"refused {outcome.refused:5}  recovered in {recovered:>7}  {outcome.did}"
    )
    wrong = {"lost": outcome.lost, "unexpected": outcome.unexpected, "late": outcome.late}
    details = [f"        {what}: {item}" for what, items in wrong.items() for item in items[:20]]
    return "\n".join([line, *details, *(f"        note: {note}" for note in outcome.notes)])


def save(path: Path, outcomes: dict[str, Outcome], *, quick: bool) -> None:
    """Put results into a file; those of drills that were not run this time stay."""
    told = load(path)
    where = {
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": os.cpu_count(),
    }
    for name, outcome in outcomes.items():
        entry = {"verdict": outcome.verdict, **asdict(outcome), **where}
        told[name] = {k: round(v, 3) if isinstance(v, float) else v for k, v in entry.items()}
    path.write_text(json.dumps(told, indent=2, sort_keys=True) + "\n")


def load(path: Path) -> dict[str, dict[str, Any]]:
    """Return the results of a file by the names of their drills; none where there is no file."""
    if not path.exists():
        return {}
    results: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return results
