"""The owner is told once of a session that ended because of a stolen refresh token."""

import asyncio

from tests.fixtures.clock import MovableClock
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import SignedIn, World

SUBJECT = "A session was ended to protect your account"


async def stolen_token(world: World, clock: MovableClock) -> str:
    """Sign in, refresh, and return the first token when its grace is over."""
    await world.make_user()
    first = await world.log_in()
    assert (await world.refresh(first.refresh)).status_code == 200
    clock.advance(11)
    return first.refresh


async def test_reuse_is_told_with_where_the_session_was_opened(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    token = await stolen_token(world, clock)
    await world.db.execute("UPDATE sessions SET browser = 'Firefox 132', os = 'Linux'")

    assert (await world.refresh(token)).status_code == 401

    mail = await mailbox.next("ada@example.com", subject=SUBJECT)
    assert "From: 203.0.113.7" in mail.text
    assert "Device: Firefox 132, Linux" in mail.text


async def test_ten_reuses_at_once_are_one_mail(
    mailbox: Mailbox, world: World, clock: MovableClock
) -> None:
    token = await stolen_token(world, clock)

    answers = await asyncio.gather(*(world.refresh(token) for _ in range(10)))

    assert {answer.json()["code"] for answer in answers} == {"invalid_refresh_token"}
    await mailbox.next("ada@example.com", subject=SUBJECT)
    await mailbox.assert_none(world)


async def test_a_replay_within_the_grace_time_is_no_news(mailbox: Mailbox, world: World) -> None:
    await world.make_user()
    first = await world.log_in()
    await world.refresh(first.refresh)

    assert (await world.refresh(first.refresh)).status_code == 200

    await mailbox.assert_none(world)


async def test_a_lost_reply_while_others_went_on_is_no_news(mailbox: Mailbox, world: World) -> None:
    await world.make_user()
    first = await world.log_in()
    second = SignedIn.of(await world.refresh(first.refresh))
    third = SignedIn.of(await world.refresh(second.refresh))

    assert (await world.refresh(first.refresh)).status_code == 401

    await mailbox.assert_none(world)
    assert (await world.refresh(third.refresh)).status_code == 200
