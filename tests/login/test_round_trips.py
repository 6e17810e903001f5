"""The round trips of a sign-in, as ARCHITECTURE.md lists them."""

import re
from pathlib import Path

from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, ask_for_factor, show_factor
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import World

from keyfob.settings import Settings

ROOT = Path(__file__).parents[2]
WORDS = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
]


def told(pattern: str) -> int:
    """Return the number that ARCHITECTURE.md gives in words."""
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    (word,) = re.findall(pattern, page)
    return WORDS.index(word) + 1


async def test_a_sign_in_takes_as_many_round_trips_as_told(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings.model_copy(update={"limits": "on"}), clock) as world:
        await world.make_user()
        await world.log_in()
        clock.advance(60)

        with recorded_statements() as seen:
            await world.log_in()

    assert len(seen) == told(r"`POST /login`, (\w+) round trips")


async def test_a_sign_in_in_two_steps_takes_as_many_round_trips_as_told(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings.model_copy(update={"limits": "on"}), clock) as world:
        await world.make_user()
        app = await add_totp(world, await world.log_in(), clock)
        clock.advance(60)

        with recorded_statements() as first:
            token = await ask_for_factor(world)
        with recorded_statements() as second:
            (await show_factor(world, token, code=app.code())).raise_for_status()

    assert len(first) == told(r"The first step takes (\w+) round trips")
    assert len(second) == told(r"The second step takes (\w+) round trips")
