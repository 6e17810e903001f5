"""The feed: every worker hears each commit, and knows when its connection is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from datetime import datetime
from typing import Any

import pytest
from drills.harness.proxy import Fault, Proxy
from tests.fixtures.metrics import value_of
from tests.fixtures.world import eventually

from keyfob.core.database import Database
from keyfob.core.feed import FEED_LIVE, Feed
from keyfob.core.problems import DatabaseUnavailable

CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyfob feed'"
)
PATIENCE = 20.0  # where no test waits for the feed to lose it


class Heard:
    """The notices that a listener got, and the number of complete readings."""

    def __init__(self, feed: Feed) -> None:
        self.notices: list[str] = []
        self.reloads = 0
        self.reload_fails: BaseException | None = None
        feed.hear("said", self.notices.append)
        feed.reload_with(self.reload)

    async def reload(self) -> None:
        self.reloads += 1
        if self.reload_fails is not None:
            raise self.reload_fails


@asynccontextmanager
async def listening(dsn: str, **pace: Any) -> AsyncIterator[tuple[Feed, Heard]]:
    feed = Feed(dsn, **{"timeout": PATIENCE, **pace})
    heard = Heard(feed)
    await feed.start()
    try:
        yield feed, heard
    finally:
        await feed.stop()


async def say(db: Database, words: str) -> None:
    await db.execute("SELECT pg_notify('keyfob', $1)", words)


async def test_a_start_returns_with_the_whole_truth(dsn: str) -> None:
    async with listening(dsn) as (feed, heard):
        assert feed.is_live
        assert heard.reloads == 1


async def test_a_start_does_not_wait_for_a_server_that_says_nothing() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.read()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        url = f"postgresql://keyfob@127.0.0.1:{port}/keyfob?sslmode=disable"
        async with listening(url, timeout=0.3) as (feed, heard):
            assert not feed.is_live
            assert heard.reloads == 0


async def test_what_one_commits_every_listener_hears(db: Database, dsn: str) -> None:
    async with listening(dsn) as (one, first), listening(dsn) as (two, second):
        await eventually(lambda: one.is_live and two.is_live)

        await say(db, "said hello world")
        await say(db, "unheard of")
        await say(db, "")

        await eventually(lambda: first.notices and second.notices)
        assert first.notices == second.notices == ["hello world"]


async def test_what_is_rolled_back_nobody_hears(db: Database, dsn: str) -> None:
    async with listening(dsn) as (feed, heard):
        await eventually(lambda: feed.is_live)
        with suppress(RuntimeError):
            async with db.begin() as tx:
                await tx.execute("SELECT pg_notify('keyfob', 'said never')")
                raise RuntimeError

        await say(db, "said after")

        await eventually(lambda: heard.notices)
        assert heard.notices == ["after"]


async def test_a_cut_is_known_at_once_and_what_was_missed_is_read_again(
    db: Database, dsn: str
) -> None:
    async with listening(dsn, beat=60) as (feed, heard):
        await eventually(lambda: feed.is_live)
        assert (heard.reloads, value_of(FEED_LIVE)) == (1, 1)
        feed.dsn = "postgresql://nobody@127.0.0.1:1/none"

        await db.execute(CUT)

        await eventually(lambda: not feed.is_live)  # before the next sign of life is due
        assert value_of(FEED_LIVE) == 0
        feed.dsn = dsn
        await eventually(lambda: feed.is_live)
        assert heard.reloads == 2
        await say(db, "said again")
        await eventually(lambda: heard.notices == ["again"])


async def test_a_connection_that_hangs_is_noticed_by_its_missing_sign_of_life(dsn: str) -> None:
    pace = {"timeout": 1.0, "beat": 0.05}
    async with Proxy(dsn).running() as proxy, listening(proxy.dsn, **pace) as (feed, heard):
        await eventually(lambda: feed.is_live)

        await proxy.begin(Fault.HELD)
        await eventually(lambda: not feed.is_live)
        before = heard.reloads

        await proxy.end()
        await eventually(lambda: feed.is_live)
        assert heard.reloads == before + 1


async def test_a_database_that_is_away_at_the_start_is_waited_for(dsn: str) -> None:
    attempts: list[asyncio.StreamWriter] = []

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.append(writer)
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, listening(f"postgresql://nobody@{host}:{port}/none") as (feed, heard):
        await eventually(lambda: len(attempts) >= 2)
        assert not feed.is_live

        feed.dsn = dsn

        await eventually(lambda: feed.is_live)
        assert heard.reloads == 1


@pytest.mark.parametrize("fault", [DatabaseUnavailable(), RuntimeError("a fault of ours")])
async def test_a_reload_that_fails_leaves_the_feed_down_and_trying(
    dsn: str, fault: BaseException
) -> None:
    feed = Feed(dsn, timeout=PATIENCE)
    heard = Heard(feed)
    heard.reload_fails = fault
    await feed.start()

    await eventually(lambda: heard.reloads >= 2)
    assert not feed.is_live

    heard.reload_fails = None
    await eventually(lambda: feed.is_live)
    await feed.stop()


async def test_a_listener_may_ask_to_read_it_all_at_each_notice(db: Database, dsn: str) -> None:
    feed = Feed(dsn, timeout=PATIENCE)
    heard = Heard(feed)
    feed.hear_and_reload("keys", heard.reload)
    await feed.start()
    await eventually(lambda: feed.is_live)
    before = heard.reloads

    await say(db, "keys")

    await eventually(lambda: heard.reloads == before + 1)
    await feed.stop()


async def test_the_whole_truth_is_read_now_and_then_without_any_notice(dsn: str) -> None:
    async with listening(dsn, beat=0.01, beats_per_reload=3) as (feed, heard):
        await eventually(lambda: heard.reloads >= 3)
        assert feed.is_live


async def test_a_listener_hears_the_databases_time(db: Database, dsn: str) -> None:
    feed = Feed(dsn, timeout=PATIENCE, beat=60)
    told: list[tuple[datetime, float]] = []
    feed.hear_time(lambda theirs, took: told.append((theirs, took)))
    before = await db.fetchval("SELECT clock_timestamp()")
    began = time.monotonic()
    await feed.start()
    await feed.stop()
    elapsed = time.monotonic() - began

    ((theirs, took),) = told
    assert before <= theirs <= await db.fetchval("SELECT clock_timestamp()")
    assert 0 < took < elapsed


async def test_a_stop_before_a_start_is_no_fault(dsn: str) -> None:
    await Feed(dsn, timeout=1).stop()
