"""Notices of sign-outs to an app that is away: those that are not tried lose nothing by it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.waiting import until
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.oauth.receivers import Away, Receivers
from keyfob.outbox.errors import TryAgain


@pytest.fixture
async def browsers(world: World) -> AsyncIterator[list[httpx.AsyncClient]]:
    await world.make_user(name="Ada")
    async with signed_in(world) as one, signed_in(world) as two, signed_in(world) as three:
        yield [one, two, three]


async def test_a_notice_that_was_not_tried_is_due_soon_after_the_app_may_be_back(
    world: World, browsers: list[httpx.AsyncClient], clock: MovableClock
) -> None:
    """Threat: an app that was away for minutes hears of sign-outs hours later."""
    app = await make_app(world, backchannel_logout_uri="http://127.0.0.1:9/hears")
    for browser in browsers:
        await app.tokens(browser)
    await browsers[0].post("/ui/sign-out")
    await until(lambda: _put_back(world, 1))

    for browser in browsers[1:]:
        await browser.post("/ui/sign-out")
    await until(lambda: _put_back(world, 3))

    rows = await world.db.fetch("SELECT attempts, due_at FROM outbox ORDER BY created_at, id")
    assert sorted(row["attempts"] for row in rows) == [0, 0, 1]
    for row in rows:
        assert timedelta(seconds=5) <= row["due_at"] - clock.now() <= timedelta(seconds=10)


async def _put_back(world: World, amount: int) -> bool:
    found = "SELECT count(*) FROM outbox WHERE last_error IS NOT NULL"
    return bool(await world.db.fetchval(found) == amount)


async def test_they_wait_as_long_as_the_app_is_left_alone_and_do_not_come_all_at_once(
    clock: MovableClock,
) -> None:
    receivers, app = Receivers(clock=clock), UUID(int=1)
    for _ in range(8):  # until the pause is the longest
        with pytest.raises(TryAgain, match="gone") as tried, receivers.call(app):
            raise Away("gone")
        assert tried.value.until is None
        clock.advance(minutes=5)
    with pytest.raises(TryAgain), receivers.call(app):
        raise Away("gone")

    put_off = []
    for _ in range(50):
        with pytest.raises(TryAgain, match="not tried") as refused, receivers.call(app):
            pytest.fail("it was called")
        assert refused.value.until is not None
        put_off.append(refused.value.until - clock.now())

    assert timedelta(minutes=5) <= min(put_off) < max(put_off) <= timedelta(minutes=10)
    with receivers.call(UUID(int=2)):
        pass
