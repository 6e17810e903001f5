"""The newest revisions on many rows, beside a service of the previous release."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.postgres import migrate
from tests.fixtures.waiting import until
from tests.fixtures.world import World
from tests.migrations.test_with_data import shape_of

from keyfob.core.folding import fold
from keyfob.migrations.head import HEAD
from keyfob.settings import Settings

pytestmark = pytest.mark.slow

BEFORE = "0013"
AMOUNT = 20_000
LONGEST_WAIT = 1.0  # seconds

PEOPLE = f"""
    ALTER TABLE users DISABLE TRIGGER USER;  -- each row would write the same tally anew
    INSERT INTO users (id, email, email_normal, name, password_hash, created_at, updated_at,
                       email_verified_at, first_proven_at)
    SELECT gen_random_uuid(), 'U' || n || '@example.com', 'u' || n || '@example.com',
           'Анна ' || n, 'x', now(), now(), now(), now()
      FROM generate_series(1, {AMOUNT}) AS n;
    ALTER TABLE users ENABLE TRIGGER USER;

    -- Every second one proved it by the password.
    INSERT INTO audit_events (position, id, at, action, target_id, old_values, new_values, mac)
    SELECT n, gen_random_uuid(), first_proven_at, 'user.email_verified', id, '{{}}',
           '{{"by": "password"}}', ''
      FROM (SELECT row_number() OVER () AS n, * FROM users) AS numbered WHERE n % 2 = 0;

    INSERT INTO factors (id, user_id, type, name, created_at, confirmed_at, credential_id,
                         public_key, backed_up)
    SELECT gen_random_uuid(), id, 'passkey', 'Phone', now(), now(),
           id::text::bytea, '', email LIKE '%0@%'
      FROM users;
"""
# What these revisions were at first, for who ran them so.
AT_FIRST = {
    "0014": """
        ALTER TABLE factors ADD COLUMN backup_eligible boolean;
        UPDATE factors SET backup_eligible = true WHERE backed_up
        """,
    "0015": """
        ALTER TABLE users ADD COLUMN email_folded text, ADD COLUMN name_folded text;
        UPDATE users SET email_folded = email_normal, name_folded = 'what was the name before';
        CREATE INDEX users_folded ON users USING gin ((coalesce(email_folded, email_normal) || ' '
            || coalesce(name_folded, '')) gin_trgm_ops);
        ALTER TABLE users DROP COLUMN search_text
        """,
    "0016": "ALTER TABLE users ADD COLUMN known_since timestamptz",
}


def start(dsn: str, target: str = "head") -> "subprocess.Popen[str]":
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-m", "keyfob.migrations.run", target],
        env={**os.environ, "PYTHONPATH": path, "KEYFOB_MIGRATE_DSN": dsn},
        stderr=subprocess.PIPE,
        text=True,
    )


async def end_of(migration: "subprocess.Popen[str]") -> tuple[int, str]:
    """Return its exit code, and the last line of its output."""
    _, said = await asyncio.to_thread(migration.communicate, timeout=300)
    return migration.returncode, said.strip().rpartition("\n")[2]


@asynccontextmanager
async def connected(dsn: str, **settings: str) -> "AsyncIterator[asyncpg.Connection[Any]]":
    connection = await asyncpg.connect(dsn, server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def release_before(dsn: str) -> AsyncIterator[list[float]]:
    """Read and write as the release before does; gives the seconds that each statement took."""
    waits: list[float] = []

    async def timed(statement: Awaitable[object]) -> None:
        before = time.monotonic()
        await statement
        waits.append(time.monotonic() - before)

    async def read() -> None:
        async with connected(dsn) as reader:
            while True:
                await timed(reader.fetch("SELECT * FROM users WHERE email_normal = 'u7@e'"))
                await timed(reader.fetch("SELECT FROM factors WHERE credential_id = 'none'"))
                await asyncio.sleep(0.01)

    async def write() -> None:
        async with connected(dsn) as writer:
            for n in range(AMOUNT):
                renamed = f"u{1 + n * 7919 % AMOUNT}@example.com"
                await timed(
                    writer.execute(
                        "UPDATE users SET name = 'Ольга' WHERE email_normal = $1", renamed
                    )
                )
                await timed(
                    writer.execute(
                        "INSERT INTO users (id, email, email_normal, name, created_at, updated_at)"
                        " VALUES (gen_random_uuid(), $1, $1, 'Инна', now(), now())",
                        f"new{n}@example.com",
                    )
                )
                await asyncio.sleep(0.01)

    async with connected(dsn, application_name="keyfob feed"):
        tasks = [asyncio.create_task(read()), asyncio.create_task(write())]
        try:
            yield waits
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


async def some_rows_are_filled(dsn: str) -> bool:
    async with connected(dsn) as db:
        with suppress(asyncpg.UndefinedColumnError):
            return bool(await db.fetchval("SELECT count(known_since) FROM users"))
    return False


async def assert_all_is_right(dsn: str) -> None:
    """Compare each row with what the service would have written."""
    async with connected(dsn) as db:
        assert await db.fetchval("SELECT version_num FROM alembic_version") == HEAD
        for email, name, *folded in await db.fetch(
            "SELECT email, name, email_folded, name_folded FROM users"
        ):
            assert folded == [fold(email), fold(name)], email
        wrong = await db.fetch(
            """
            SELECT email, known_since FROM users
             WHERE known_since IS DISTINCT FROM CASE WHEN NOT EXISTS (
                       SELECT FROM audit_events WHERE target_id = users.id
                   ) THEN first_proven_at END
            """
        )
        assert wrong == []
        known = "SELECT count(*) FROM factors WHERE backed_up = (backup_eligible IS TRUE)"
        assert await db.fetchval(known) == await db.fetchval("SELECT count(*) FROM factors")


async def test_nobody_waits_long_beside_them_and_what_is_written_meanwhile_is_right_in_the_end(
    unmigrated_dsn: str,
) -> None:
    await asyncio.to_thread(migrate, unmigrated_dsn, BEFORE)
    async with connected(unmigrated_dsn) as db:
        await db.execute(PEOPLE)

    async with release_before(unmigrated_dsn) as waits:
        killed = start(unmigrated_dsn)
        await until(lambda: some_rows_are_filled(unmigrated_dsn))
        killed.kill()
        await end_of(killed)
        code, said = await end_of(start(unmigrated_dsn))

    assert max(waits) < LONGEST_WAIT
    assert code != 0
    assert "stop those that do" in said
    assert await end_of(start(unmigrated_dsn)) == (0, "")
    await assert_all_is_right(unmigrated_dsn)


@pytest.mark.parametrize("reached", AT_FIRST)
async def test_who_ran_them_as_they_were_at_first_ends_with_the_same(
    reached: str, unmigrated_dsn: str, dsn: str
) -> None:
    old = unmigrated_dsn
    await asyncio.to_thread(migrate, old, BEFORE)
    async with connected(old) as db:
        await db.execute(PEOPLE.replace(str(AMOUNT), "20"))
        for revision, statements in AT_FIRST.items():
            if revision <= reached:
                await db.execute(statements)
        await db.execute("UPDATE alembic_version SET version_num = $1", reached)

    await asyncio.to_thread(migrate, old)

    await assert_all_is_right(old)
    assert await shape_of(old) == await shape_of(dsn)


async def to_before(dsn: str, revision: str) -> str:
    """Return the target of a downgrade to before a revision, from where the database is."""
    async with connected(dsn) as db:
        present = await db.fetchval("SELECT version_num FROM alembic_version")
    return f"-{int(present) - int(revision) + 1}"


async def test_nobody_goes_back_beside_a_service(
    settings: Settings, unmigrated_dsn: str, clock: MovableClock
) -> None:
    """Its downgrade rewrites the table, which nobody could read meanwhile."""
    dsn = unmigrated_dsn
    await asyncio.to_thread(migrate, dsn)
    database = settings.model_copy(update={"database_url": SecretStr(dsn)})
    async with World(database, clock) as world:
        await world.make_user(name="Анна")
        code, said = await end_of(start(dsn, await to_before(dsn, "0017")))
        assert code != 0
        assert "stop those that do" in said

    assert await end_of(start(dsn, await to_before(dsn, "0017"))) == (0, "")
    async with connected(dsn) as db:
        assert await db.fetchval("SELECT search_text FROM users") == (
            "ada@example.com ada@example.com анна"
        )
