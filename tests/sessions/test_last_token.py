"""No access token outlives its session."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.world import SignedIn, World

from keyfob.settings import Settings


async def test_the_last_access_token_ends_with_its_session(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings.model_copy(update={"session_max_ttl": 400}), clock) as world:
        await world.make_user()
        first = await world.log_in()
        clock.advance(300)
        answer = await world.refresh(first.refresh)
        last = SignedIn.of(answer)
        before = (await world.me(last)).status_code
        clock.advance(100)
        after = (await world.me(last)).status_code

    assert answer.json()["expires_in"] == 100
    assert (before, after) == (200, 401)
