"""The drills that are short enough, in their quick size; no bound in seconds is asserted."""

import pytest
from drills.catalogue import DRILLS
from drills.harness.crowd import QUICK
from drills.harness.outcome import render

pytestmark = pytest.mark.slow

SHORT = ["database-killed", "database-resetting", "disk-full"]


@pytest.mark.parametrize("name", SHORT)
async def test_nothing_is_lost_and_nothing_unexpected_is_answered(name: str) -> None:
    outcome = await DRILLS[name](QUICK)
    if outcome.unavailable:
        pytest.skip(outcome.unavailable)

    assert outcome.unbroken, render(name, outcome)
    assert outcome.acknowledged >= QUICK.requests
    assert outcome.in_flight
