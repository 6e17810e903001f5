"""The page is what the results say, and the committed one is up to date."""

from dataclasses import asdict
from pathlib import Path

from drills.__main__ import PAGE, RESULTS
from drills.catalogue import STORIES
from drills.harness.outcome import Outcome, load
from drills.harness.page import page

ROOT = Path(__file__).parents[2]
WHERE = {"python": "3", "system": "Linux", "cores": 2}


async def break_it() -> None:
    """Break it.

    In two paragraphs.
    """


def told(outcome: Outcome) -> dict[str, object]:
    return {"verdict": outcome.verdict, **asdict(outcome), **WHERE}


def test_it_is_written_from_the_results() -> None:
    assert (ROOT / PAGE).read_text() == page(STORIES, load(RESULTS)), (
        "run `python -m drills --page`"
    )


def test_it_says_what_was_seen() -> None:
    seen = Outcome("broke it", 3, 40, 5, ["gone"], recovered_in=1.5, notes=["slow"])
    away = Outcome("filled it", unavailable="there is no mount")
    drills = {"bad": break_it, "away": break_it, "new": break_it}
    written = page(drills, {"bad": told(seen), "away": told(away)})

    assert "Run on Python 3 on Linux, 2 cores." in written
    assert "| [bad](#bad) | BREAKS | 3 | 40 | 5 | 1 | 1.50 s |" in written
    assert "- lost: gone\n- slow\n" in written
    assert "| [away](#away) | not run |" in written
    assert "Not run: there is no mount." in written
    assert "### new\n\nBreak it.\n\nIn two paragraphs.\n" in written
