"""Signed-in callers are counted as users; strangers behind the same address do not affect them."""

from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World

from keyfob.settings import Settings


async def test_strangers_behind_one_address_use_up_nothing_of_its_users(
    settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_me": "2/minute"})
    async with World(limited, clock) as world:
        await world.make_user()
        ada = await world.log_in()
        strangers = [await world.api.get("/me/sessions") for _ in range(3)]
        hers = [await world.api.get("/me/sessions", headers=ada.headers) for _ in range(3)]

    assert [answer.status_code for answer in strangers] == [401, 401, 429]
    assert [answer.status_code for answer in hers] == [200, 200, 429]


async def test_a_user_is_one_caller_from_everywhere(
    settings: Settings, clock: MovableClock
) -> None:
    limited = settings.model_copy(update={"limits": "on", "limit_me": "2/minute"})
    async with World(limited, clock) as world:
        await world.make_user()
        ada = await world.log_in()
        answers = []
        for address in ("203.0.113.7", "203.0.113.8", "2001:db8::1"):
            async with world.client(address, **ada.headers) as api:
                answers.append((await api.get("/me/sessions")).status_code)

    assert answers == [200, 200, 429]
