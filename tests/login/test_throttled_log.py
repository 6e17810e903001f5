"""Throttled attempts are logged once a minute, so that guessing does not fill the disk."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World

from keyfob.settings import Settings


async def test_throttled_attempts_are_logged_once_a_minute(
    settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_login_pair": "2/hour"})
    async with World(limited, clock) as world:
        await world.make_user()
        answers = [await world.attempt_login(password="a wrong one") for _ in range(6)]
        clock.advance(minutes=1)
        answers.append(await world.attempt_login(password="a wrong one"))
        reasons = [row["reason"] for row in await world.login_log()]

    assert [answer.status_code for answer in answers] == [401, 401, 429, 429, 429, 429, 429]
    # Of one moment, so in any order.
    assert sorted(reasons) == ["too_many_attempts"] * 2 + ["wrong_password"] * 2
