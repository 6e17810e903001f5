"""The number of mails that strangers can have sent to one address."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.logs import captured_log
from tests.fixtures.world import World

from keyfob.recovery.service import Recovery
from keyfob.settings import Settings


@pytest.fixture
async def capped(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    limited = settings.model_copy(update={"limits": "on", "limit_mail": "3/hour"})
    async with World(limited, clock) as world:
        yield world


async def test_an_address_gets_so_many_and_no_more(capped: World, clock: MovableClock) -> None:
    cap = capped.service(Recovery).requests.cap
    with captured_log() as log:
        allowed = [await cap.allows("ada@example.com") for _ in range(5)]

    assert allowed == [True] * 3 + [False] * 2
    assert await cap.allows("bob@example.com")
    assert [one["to"] for one in log.named("mail_capped")] == ["a***@example.com"] * 2

    clock.advance(hours=1)
    assert await cap.allows("ada@example.com")


async def test_workers_count_together(
    capped: World, settings: Settings, clock: MovableClock
) -> None:
    async with World(capped.app.state.settings, clock) as other:
        caps = [capped.service(Recovery).requests.cap, other.service(Recovery).requests.cap] * 10
        allowed = await asyncio.gather(*(cap.allows("ada@example.com") for cap in caps))

    assert sum(allowed) == 3


async def test_nothing_is_capped_where_limits_are_off(world: World) -> None:
    cap = world.service(Recovery).requests.cap

    assert all([await cap.allows("ada@example.com") for _ in range(50)])


async def test_tags_of_one_mailbox_share_its_cap(capped: World) -> None:
    cap = capped.service(Recovery).requests.cap
    spellings = ["box@example.com", "box+1@example.com", "box+2+3@example.com", "box+@example.com"]

    assert [await cap.allows(one) for one in spellings] == [True] * 3 + [False]
    assert await cap.allows("+box@example.com")  # nothing stands before the sign


@pytest.mark.parametrize(
    "spellings",
    [
        ["ada.l@gmail.com", "a.d.a.l@gmail.com", "adal+x@googlemail.com", "adal@gmail.com"],
        ["ada.l@ya.ru", "ada-l@yandex.com", "ada.l+x@yandex.ru", "ada-l@yandex.kz"],
        ["ada.l@proton.me", "a-d_al+x@pm.me", "adal@protonmail.com", "adal@protonmail.ch"],
        ["ada_l+x@fastmail.com", "tag@ada-l.fastmail.com", "other@ada-l.fastmail.com"] * 2,
    ],
)
async def test_what_a_large_provider_takes_for_one_mailbox_is_one(
    capped: World, spellings: list[str]
) -> None:
    cap = capped.service(Recovery).requests.cap

    assert [await cap.allows(one) for one in spellings[:4]] == [True] * 3 + [False]


async def test_dots_and_domains_of_others_tell_mailboxes_apart(capped: World) -> None:
    cap = capped.service(Recovery).requests.cap
    spellings = ["ada.l@example.com", "adal@example.com", "ada-l@example.com", "adal@example.net"]

    assert all([await cap.allows(one) for one in spellings])
