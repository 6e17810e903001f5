"""Callbacks after a commit: all, in order, even after a cancellation; none after a rollback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import asyncpg
import pytest
from tests.fixtures.logs import captured_log
from tests.fixtures.waiting import until_somebody_waits

from keyfob.core.database import Database, Tx
from keyfob.core.problems import DatabaseUnavailable

INSERT = "INSERT INTO attempts (key, count, expires_at) VALUES ($1, 1, now())"

# A commit that waits for whoever holds the lock 1, and then fails where the row says so.
SCRATCH = """
CREATE TABLE changes (outcome text);
CREATE FUNCTION decide() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1);
    IF NEW.outcome = 'refused' THEN RAISE EXCEPTION 'refused at the commit'; END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER decided AFTER INSERT ON changes
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION decide();
"""

END_WAITING = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def attempts(db: Database) -> list[str]:
    return [row["key"] for row in await db.fetch("SELECT key FROM attempts ORDER BY key")]


@pytest.fixture
async def scratch(unmigrated_dsn: str) -> AsyncIterator[Database]:
    scratch = Database(unmigrated_dsn, pool_size=3, command_timeout=5)
    await scratch.open()
    await scratch.execute(SCRATCH)
    yield scratch
    await scratch.close()


@asynccontextmanager
async def held_up(scratch: Database) -> AsyncIterator[None]:
    """Block commits of changes during the block."""
    async with scratch.begin() as tx:
        await tx.execute("SELECT pg_advisory_xact_lock(1)")
        yield


async def change(scratch: Database, outcome: str, followed: list[str]) -> None:
    async with scratch.begin() as tx:
        tx.after_commit(partial(followed.append, outcome))
        await tx.execute("INSERT INTO changes VALUES ($1)", outcome)


async def changes(scratch: Database) -> list[str]:
    return [row["outcome"] for row in await scratch.fetch("SELECT outcome FROM changes")]


async def test_what_follows_a_commit_comes_after_it_and_in_order(db: Database) -> None:
    seen: list[object] = []
    async with db.begin() as tx:
        tx.after_commit(lambda: seen.append("first"))
        await tx.execute(INSERT, "kept")
        tx.after_commit(lambda: seen.append("second"))
        seen.append("the block ends")
        assert await attempts(db) == []

    assert seen == ["the block ends", "first", "second"]
    assert await attempts(db) == ["kept"]


async def test_nothing_follows_a_rollback(db: Database) -> None:
    followed: list[str] = []
    with pytest.raises(RuntimeError):
        await change_and_fail(db, followed)

    assert (followed, await attempts(db)) == ([], [])


async def change_and_fail(db: Database, followed: list[str]) -> None:
    async with db.begin() as tx:
        tx.after_commit(partial(followed.append, "followed"))
        await tx.execute(INSERT, "lost")
        raise RuntimeError


async def test_nothing_follows_a_commit_that_the_server_refuses(scratch: Database) -> None:
    followed: list[str] = []
    with pytest.raises(asyncpg.RaiseError):
        await change(scratch, "refused", followed)

    assert (followed, await changes(scratch)) == ([], [])


async def test_nothing_follows_a_commit_that_could_not_be_asked_for(scratch: Database) -> None:
    followed: list[str] = []
    with pytest.raises(DatabaseUnavailable):
        await change_on_a_connection_that_is_cut(scratch, followed)

    assert (followed, await changes(scratch)) == ([], [])


async def change_on_a_connection_that_is_cut(scratch: Database, followed: list[str]) -> None:
    async with scratch.begin() as tx:
        tx.after_commit(partial(followed.append, "followed"))
        await tx.execute("INSERT INTO changes VALUES ('made')")
        pid = await tx.fetchval("SELECT pg_backend_pid()")
        await scratch.execute("SELECT pg_terminate_backend($1)", pid)
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError):
            while True:
                await tx.fetchval("SELECT 1")


async def test_a_fault_in_what_follows_is_logged_and_hinders_nobody(db: Database) -> None:
    followed: list[str] = []

    def fail() -> None:
        raise RuntimeError("of a callback")

    with captured_log() as log:
        async with db.begin() as tx:
            tx.after_commit(fail)
            tx.after_commit(partial(followed.append, "the next"))
            await tx.execute(INSERT, "kept")

    assert followed == ["the next"]
    assert await attempts(db) == ["kept"]
    (event,) = log.named("after_commit_failed")
    assert "of a callback" in event["exception"]


async def test_who_leaves_during_the_commit_takes_nothing_with_them(scratch: Database) -> None:
    followed: list[str] = []
    async with held_up(scratch):
        asked = asyncio.create_task(change(scratch, "made", followed))
        await until_somebody_waits(scratch)
        for _ in range(3):
            asked.cancel()
            await asyncio.sleep(0)
        assert followed == []
    with pytest.raises(asyncio.CancelledError):
        await asked

    assert (followed, await changes(scratch)) == (["made"], ["made"])
    assert scratch.idle == scratch.size, "no connection is left behind"


async def test_a_commit_whose_outcome_nobody_knows_is_followed(scratch: Database) -> None:
    followed: list[str] = []
    async with held_up(scratch):
        asked = asyncio.create_task(change(scratch, "cut", followed))
        await until_somebody_waits(scratch)
        await scratch.execute(END_WAITING)
        with pytest.raises(DatabaseUnavailable):
            await asked

    assert followed == ["cut"]


async def test_a_server_that_falls_silent_at_the_commit_is_taken_as_one_that_did_it(
    unmigrated_dsn: str, scratch: Database
) -> None:
    followed: list[str] = []
    impatient = Database(unmigrated_dsn, acquire_timeout=20, command_timeout=1.5)
    await impatient.open()
    async with impatient.connection():
        pass  # it is connected before its short limit counts
    async with held_up(scratch):
        with pytest.raises(DatabaseUnavailable):
            await change(impatient, "slow", followed)
    await impatient.close()

    assert followed == ["slow"]


async def test_transactions_within_another_are_followed_each_by_its_own(db: Database) -> None:
    seen: list[str] = []
    with pytest.raises(RuntimeError):
        await nest_and_fail(db, seen)

    assert seen == ["the inner was committed", "it was followed"]
    assert await attempts(db) == ["inner"]


async def nest_and_fail(db: Database, seen: list[str]) -> None:
    async with db.begin() as outer:
        outer.after_commit(lambda: seen.append("the outer was committed"))
        await outer.execute(INSERT, "outer")
        async with db.begin() as inner:
            inner.after_commit(lambda: follow(inner, seen))
            await inner.execute(INSERT, "inner")
        raise RuntimeError


def follow(tx: Tx, seen: list[str]) -> None:
    seen.append("the inner was committed")
    tx.after_commit(lambda: seen.append("it was followed"))
