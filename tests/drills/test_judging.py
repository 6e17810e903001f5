"""Conditions under which a drill fails, beside losses."""

from pathlib import Path

import pytest
from drills.harness.crowd import QUICK
from drills.harness.judging import Story
from drills.harness.ledger import Ask, Ledger
from drills.harness.outcome import Outcome, load, render, save
from drills.harness.wire import Answer, Break, Unanswered, Wire

pytestmark = pytest.mark.slow


def story(*asks: Ask, **options: object) -> Story:
    """Return the story of a fault from 10 s to 20 s."""
    told = Story("broke something", QUICK, faults_at=[10.0], back_at=20.0, **options)  # type: ignore[arg-type]
    told.ledger.asks = list(asks)
    return told


GOOD_BEFORE = Ask("me", 9.0, 9.5, 200)
IN_FLIGHT = Ask("me", 9.9, 10.2, 503)
GOOD_AFTER = Ask("me", 20.5, 21.0, 200)


def test_who_was_in_flight_refused_and_served_again_is_counted() -> None:
    outcome = story(GOOD_BEFORE, IN_FLIGHT, GOOD_AFTER).outcome([])

    assert (outcome.in_flight, outcome.acknowledged, outcome.refused) == (1, 2, 1)
    assert outcome.recovered_in == 1.0
    assert outcome.verdict == "holds"
    assert render("x", outcome).startswith("holds ")


def test_a_lost_promise_breaks() -> None:
    assert story(GOOD_BEFORE, IN_FLIGHT, GOOD_AFTER).outcome(["gone"]).verdict == "BREAKS"


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (Ask("me", 11.0, 12.0, 500, complaint="500 "), "1 x me: 500 "),
        (Ask("me", 11.0, 12.0, broke=Break.RESET), "1 x me reset"),
        (Ask("me", 11.0, 12.0, broke=Break.HUNG), "1 x me hung"),
        (Ask("me", 1.0, 2.0, 503), "1 x me 503  that nothing explains"),
    ],
)
def test_what_nothing_excuses_breaks(ask: Ask, said: str) -> None:
    outcome = story(GOOD_BEFORE, IN_FLIGHT, ask, GOOD_AFTER).outcome([])

    assert outcome.unexpected == [said]
    assert outcome.verdict == "BREAKS"


def test_a_drill_that_nobody_felt_shows_nothing() -> None:
    assert story(GOOD_BEFORE, GOOD_AFTER).outcome([]).unexpected == ["nobody felt the fault"]


def test_what_the_fault_excuses_is_only_noted() -> None:
    broken = Ask("me", 11.0, 12.0, broke=Break.RESET)
    outcome = story(IN_FLIGHT, broken, GOOD_AFTER, excused={Break.RESET}).outcome([])

    assert outcome.unexpected == []
    assert "without an answer, by the fault: 1 x me reset" in outcome.notes


@pytest.mark.parametrize(
    ("asks", "late"),
    [
        ([IN_FLIGHT], "no recovery within 5 s"),
        ([IN_FLIGHT, Ask("me", 26.0, 26.1, 200)], "no recovery within 5 s"),
        ([IN_FLIGHT, GOOD_AFTER, Ask("me", 25.0, 25.1, 503)], "no recovery within 5 s"),
        ([Ask("me", 10.0, 17.0, 503), GOOD_AFTER], "a refusal took 7.00 s"),
    ],
)
def test_what_takes_too_long_is_late_and_not_lost(asks: list[Ask], late: str) -> None:
    outcome = story(*asks).outcome([])

    assert outcome.late == [late]
    assert outcome.unbroken
    assert outcome.verdict == "BREAKS"


def test_what_cannot_be_run_here_is_not_run() -> None:
    assert Outcome("filled a disk", unavailable="no root").verdict == "not run"


def test_results_are_kept_by_name(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    save(path, {"a": Outcome("broke", acknowledged=1)}, quick=True)
    save(path, {"b": Outcome("broke", acknowledged=2)}, quick=False)

    assert {name: told["acknowledged"] for name, told in load(path).items()} == {"a": 1, "b": 2}
    assert load(path)["a"]["verdict"] == "holds"


class Canned(Wire):
    """Gives one answer, or none."""

    def __init__(self, answer: Answer | Break) -> None:
        super().__init__(0)
        self._answer = answer

    async def ask(self, *_: object, **__: object) -> Answer:
        if isinstance(self._answer, Break):
            raise Unanswered(self._answer)
        return self._answer


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Answer(200, {}, b""), ""),
        (Answer(409, {}, b""), ""),
        (Answer(503, {"retry-after": "1"}, b""), ""),
        (Answer(503, {}, b""), "503 without Retry-After"),
        (Answer(500, {}, b"oh"), "500 oh"),
        (Answer(404, {}, b""), "404 "),
        (Break.HUNG, ""),
    ],
)
async def test_the_ledger_notes_what_is_wrong_with_an_answer(
    answer: Answer | Break, complaint: str
) -> None:
    ledger = Ledger()
    await ledger.ask(Canned(answer), "x", ("GET", "/"), expected=(409,))

    assert ledger.asks[0].complaint == complaint
    assert ledger.broken(*Break) == (["1 x x hung"] if answer is Break.HUNG else [])
    assert ledger.acknowledged == (answer == Answer(200, {}, b""))
