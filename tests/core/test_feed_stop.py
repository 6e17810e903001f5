"""The feed stops when asked to, whatever it hears at that moment."""

import asyncio

import pytest
from tests.fixtures.world import eventually

from keyfob.core.feed import Feed


@pytest.mark.parametrize("turns", range(6))
async def test_a_notice_at_the_moment_of_the_stop_does_not_keep_it(dsn: str, turns: int) -> None:
    async def reload() -> None:
        pass

    feed = Feed(dsn, timeout=2.0)
    feed.hear_and_reload("keys", reload)
    await feed.start()
    await eventually(lambda: feed.is_live)
    await asyncio.sleep(0)

    feed.tell("keys changed")
    for _ in range(turns):
        await asyncio.sleep(0)
    stopping = asyncio.create_task(feed.stop())
    stopped, late = await asyncio.wait({stopping}, timeout=5)

    for task in late:
        task.cancel()
    assert stopping in stopped
