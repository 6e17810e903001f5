"""Idle and absolute time-outs, by the server's clock only."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.revoked import reuses_of
from tests.fixtures.world import SignedIn, World

from keyfob.sessions.service import Sessions
from keyfob.settings import Settings

IDLE, MOST = 14 * 86400, 90 * 86400


async def test_a_session_that_stays_unused_ends(world: World, clock: MovableClock) -> None:
    await world.make_user()
    kept, left = await world.log_in(), await world.log_in()

    clock.advance(IDLE - 1)
    kept = SignedIn.of(await world.refresh(kept.refresh))
    clock.advance(1)

    assert (await world.refresh(left.refresh)).status_code == 401
    clock.advance(IDLE - 2)
    assert (await world.refresh(kept.refresh)).status_code == 200


async def test_a_request_keeps_a_session_from_idling(world: World, clock: MovableClock) -> None:
    await world.make_user()
    used, left = await world.log_in(), await world.log_in()

    clock.advance(299)  # as long as the access token lives
    assert (await world.me(used)).status_code == 200
    await world.service(Sessions).activity.flush()
    clock.advance(IDLE - 299)

    assert (await world.refresh(left.refresh)).status_code == 401
    assert (await world.refresh(used.refresh)).status_code == 200


async def test_a_session_ends_in_the_end_however_busy_it_is(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    busy = await world.log_in()
    for _ in range(8):
        clock.advance(days=10)
        busy = SignedIn.of(await world.refresh(busy.refresh))
    clock.advance(days=10, seconds=-1)
    busy = SignedIn.of(await world.refresh(busy.refresh))

    clock.advance(1)

    assert (await world.refresh(busy.refresh)).status_code == 401


async def test_an_expired_session_is_no_reuse(world: World, clock: MovableClock) -> None:
    await world.make_user()
    first = await world.log_in()
    await world.refresh(first.refresh)
    clock.advance(IDLE)

    assert (await world.refresh(first.refresh)).status_code == 401

    assert await reuses_of(world) == []
    assert await world.db.fetchval("SELECT end_reason FROM sessions") is None


async def test_a_lost_reply_is_not_given_again_after_the_end(
    settings: Settings, clock: MovableClock
) -> None:
    brief = settings.model_copy(update={"session_idle_ttl": 5, "session_max_ttl": 8})
    async with World(brief, clock) as world:
        await world.make_user()
        first = await world.log_in()
        clock.advance(3)
        second = SignedIn.of(await world.refresh(first.refresh))
        assert (await world.refresh(first.refresh)).status_code == 200

        clock.advance(5)  # within the grace time, and past both ends

        assert (await world.refresh(first.refresh)).status_code == 401
        assert (await world.refresh(second.refresh)).status_code == 401


async def test_the_device_list_tells_when_a_session_ends(world: World, clock: MovableClock) -> None:
    await world.make_user()
    first = await world.log_in()
    opened = clock.now()
    (shown,) = (await world.api.get("/me/sessions", headers=first.headers)).json()
    assert datetime.fromisoformat(shown["expires_at"]) == opened + timedelta(seconds=IDLE)

    for _ in range(8):
        clock.advance(days=10)
        first = SignedIn.of(await world.refresh(first.refresh))
    (shown,) = (await world.api.get("/me/sessions", headers=first.headers)).json()
    assert datetime.fromisoformat(shown["expires_at"]) == opened + timedelta(seconds=MOST)

    later = await world.log_in()
    clock.advance(IDLE)
    newest = await world.log_in()
    (shown,) = (await world.api.get("/me/sessions", headers=newest.headers)).json()
    assert shown["id"] == newest.session_id != later.session_id, "what has ended is not listed"


@pytest.fixture
async def hasty(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    async with World(settings.model_copy(update={"access_token_ttl": 30}), clock) as hasty:
        yield hasty


async def test_an_access_token_dies_with_its_last_second_though_it_was_remembered(
    hasty: World, clock: MovableClock
) -> None:
    await hasty.make_user()
    first = await hasty.log_in()
    clock.advance(29)
    assert (await hasty.me(first)).status_code == 200

    clock.advance(1)

    assert (await hasty.me(first)).status_code == 401
    assert (await hasty.refresh(first.refresh)).json()["expires_in"] == 30


async def test_a_clock_that_went_ahead_and_back_signs_nobody_out(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    before = await world.log_in()
    clock.advance(90)
    ada = SignedIn.of(await world.refresh(before.refresh))
    clock.advance(-90)

    assert (await world.me(ada)).status_code == 401, "not yet valid"
    again = SignedIn.of(await world.refresh(ada.refresh))
    assert (await world.me(again)).status_code == 200
    assert SignedIn.of(await world.refresh(ada.refresh)).refresh == again.refresh
