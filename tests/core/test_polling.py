"""The polling feed: often enough, complete after every interruption, and aware of one."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from drills.harness.proxy import Fault, Proxy
from tests.fixtures.metrics import value_of
from tests.fixtures.world import eventually

from keyfob.core.database import Database, Executor
from keyfob.core.feed import FEED_LIVE
from keyfob.core.polling import PolledFeed
from keyfob.core.problems import DatabaseUnavailable

CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyfob feed'"
)
PATIENCE = 20.0  # where no test waits for the feed to lose it


class Asked:
    """The readings that a room was asked for, in order."""

    def __init__(self, feed: PolledFeed) -> None:
        self.read: list[str] = []
        self.times: list[datetime] = []
        self.polled_at: list[float] = []
        self.fails: BaseException | None = None
        feed.hear_time(lambda theirs, _: self.times.append(theirs))
        feed.poll_with(self.poll)
        feed.reload_with(self.reload)

    async def poll(self, db: Executor) -> None:
        self.read.append("news")
        self.polled_at.append(time.monotonic())
        if self.fails is not None:
            raise self.fails
        await db.fetchval("SELECT 1")

    async def reload(self) -> None:
        self.read.append("all")


@asynccontextmanager
async def polling(dsn: str, **pace: Any) -> AsyncIterator[tuple[PolledFeed, Asked]]:
    feed = PolledFeed(dsn, **{"timeout": PATIENCE, **pace})
    asked = Asked(feed)
    await feed.start()
    try:
        yield feed, asked
    finally:
        await feed.stop()


async def test_a_start_marks_where_it_is_and_then_reads_all(dsn: str) -> None:
    async with polling(dsn) as (feed, asked):
        assert feed.is_live
        assert value_of(FEED_LIVE) == 1
        assert asked.read == ["news", "all"]
        assert len(asked.times) == 1


async def test_it_asks_twice_a_second_at_least(dsn: str) -> None:
    """The shortest pause counts: a machine that stands still for a moment prolongs the others."""

    def pauses() -> list[float]:
        return [later - earlier for earlier, later in pairwise(asked.polled_at)]

    async with polling(dsn) as (_, asked):
        await eventually(lambda: len(pauses()) >= 2 and min(pauses()) < 0.5)


async def test_all_and_the_time_are_read_now_and_then(dsn: str) -> None:
    async with polling(dsn, beat=0.01, beats_per_reload=4) as (feed, asked):
        await eventually(lambda: asked.read.count("all") >= 3)
        assert asked.read[1:].count("news") >= 8
        assert len(asked.times) >= 3
        assert feed.is_live


async def test_a_cut_is_known_and_all_is_read_again(db: Database, dsn: str) -> None:
    async with polling(dsn, beat=0.01, beats_per_reload=1_000_000) as (feed, asked):
        feed.dsn = "postgresql://nobody@127.0.0.1:1/none"

        await db.execute(CUT)

        await eventually(lambda: not feed.is_live)
        assert value_of(FEED_LIVE) == 0
        assert asked.read.count("all") == 1
        feed.dsn = dsn
        await eventually(lambda: feed.is_live)
        assert asked.read.count("all") == 2


async def test_a_server_that_says_nothing_any_more_is_noticed_in_time(dsn: str) -> None:
    pace = {"timeout": 1.0, "beat": 0.01, "beats_per_reload": 1_000_000}
    async with Proxy(dsn).running() as proxy, polling(proxy.dsn, **pace) as (feed, asked):
        await eventually(lambda: feed.is_live)

        await proxy.begin(Fault.HELD)
        await eventually(lambda: not feed.is_live, 5.0)
        before = asked.read.count("all")

        await proxy.end()
        await eventually(lambda: feed.is_live)
        assert asked.read.count("all") == before + 1


@pytest.mark.parametrize("fault", [DatabaseUnavailable(), RuntimeError("a fault of ours")])
async def test_a_poll_that_fails_leaves_the_feed_down_and_trying(
    dsn: str, fault: BaseException
) -> None:
    async with polling(dsn, beat=0.01) as (feed, asked):
        asked.fails = fault
        await eventually(lambda: not feed.is_live)
        failed = len(asked.read)
        await eventually(lambda: len(asked.read) > failed)
        assert not feed.is_live

        asked.fails = None
        await eventually(lambda: feed.is_live)


async def test_it_stops_in_the_middle_of_a_poll(dsn: str) -> None:
    feed = PolledFeed(dsn, timeout=60)
    begun = asyncio.Event()

    async def wait(db: Executor) -> None:
        begun.set()
        await db.fetchval("SELECT pg_sleep(60)")

    feed.poll_with(wait)
    starting = asyncio.create_task(feed.start())
    await begun.wait()

    async with asyncio.timeout(20):
        await feed.stop()
    starting.cancel()
    with suppress(asyncio.CancelledError):
        await starting
