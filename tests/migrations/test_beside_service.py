"""Migrations beside running instances: short waits for locks, and indexes built concurrently."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from tests.fixtures.postgres import migrate
from tests.fixtures.waiting import until
from tests.migrations.conftest import ROOT

from keyfob.migrations.head import HEAD

pytestmark = pytest.mark.slow

NEXT = f"{int(HEAD) + 1:04}"
INDEX = f"""
from keyfob.migrations.running import build_index, drop_index, run_sql

revision = "{NEXT}"
down_revision = "{HEAD}"


def upgrade() -> None:
    run_sql("ALTER TABLE users ADD COLUMN IF NOT EXISTS locale text NOT NULL DEFAULT 'en'")
    build_index("users_locale", "ON users (locale)")
    run_sql("CREATE TABLE waits AS SELECT current_setting('lock_timeout') AS brief")


def downgrade() -> None:
    drop_index("users_locale")
    run_sql("DROP TABLE waits; ALTER TABLE users DROP COLUMN locale")
"""

FACTORS = "0014"  # changes the table of that name
BEFORE_THE_NEXT = "0018"
REVISION = "SELECT version_num FROM alembic_version"

# Seconds of a read that had to wait for a lock.
HELD_UP = 0.4

Run = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def next_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source with one more revision."""
    copy = tmp_path_factory.mktemp("next")
    shutil.copytree(
        ROOT / "src" / "keyfob", copy / "keyfob", ignore=shutil.ignore_patterns("__pycache__")
    )
    (copy / "keyfob" / "migrations" / "versions" / f"{NEXT}_locale.py").write_text(INDEX)
    return copy


@pytest.fixture
def start(next_release: Path, unmigrated_dsn: str) -> Run:
    """Start the next release's migration to a revision."""
    migrate(unmigrated_dsn)

    def start_one(target: str) -> "subprocess.Popen[str]":
        # Without coverage: the copy's files would count beside the originals.
        bare = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        return subprocess.Popen(
            [sys.executable, "-m", "keyfob.migrations.run", target],
            env=bare | {"PYTHONPATH": str(next_release), "KEYFOB_MIGRATE_DSN": unmigrated_dsn},
            stderr=subprocess.PIPE,
            text=True,
        )

    return start_one


def code_of(migration: "subprocess.Popen[str]") -> int:
    _, said = migration.communicate(timeout=60)
    assert "Traceback" not in said, said
    return migration.returncode


async def waits_of_a_reader(dsn: str, seconds: float) -> list[float]:
    """Read a table repeatedly, until so many seconds after the first delayed read."""
    reader = await asyncpg.connect(dsn)
    waits: list[float] = []
    until = time.monotonic() + 60
    while time.monotonic() < until:
        before = time.monotonic()
        await reader.fetchval("SELECT count(*) FROM users")
        waits.append(time.monotonic() - before)
        if waits[-1] > HELD_UP > max(waits[:-1], default=0.0):
            until = time.monotonic() + seconds
        await asyncio.sleep(0.01)
    await reader.close()
    return waits


def test_a_migration_that_meets_a_backup_waits_briefly_and_again(
    start: Run, unmigrated_dsn: str
) -> None:
    async def back_up() -> tuple[list[float], int]:
        backup = await asyncpg.connect(unmigrated_dsn)
        async with backup.transaction():
            await backup.execute("LOCK TABLE users IN ACCESS SHARE MODE")
            migration = start("head")
            waits = await waits_of_a_reader(unmigrated_dsn, seconds=3)
            assert migration.poll() is None, "it tries again"
        await backup.close()
        return waits, await asyncio.to_thread(code_of, migration)

    waits, code = asyncio.run(back_up())

    assert HELD_UP < max(waits) < 2, "who comes after the migration is held up, and briefly"
    assert sum(wait for wait in waits if wait > HELD_UP) < 3
    assert code == 0


def test_an_index_is_built_beside_a_transaction_and_migrations_wait_their_turn(
    start: Run, unmigrated_dsn: str
) -> None:
    async def migrate_twice() -> list[int]:
        other = await asyncpg.connect(unmigrated_dsn)
        async with other.transaction():
            await other.execute("SELECT * FROM sessions")
            migrations = [start("head"), start("head")]
            await asyncio.sleep(1)
        await other.close()
        return [await asyncio.to_thread(code_of, migration) for migration in migrations]

    assert asyncio.run(migrate_twice()) == [0, 0]
    assert asyncio.run(ask(unmigrated_dsn, VALID)) == 1
    assert asyncio.run(ask(unmigrated_dsn, "SELECT brief FROM waits")) == "500ms"

    assert code_of(start("-1")) == 0
    assert asyncio.run(ask(unmigrated_dsn, VALID)) == 0


def test_what_a_broken_build_left_behind_is_built_anew(start: Run, unmigrated_dsn: str) -> None:
    asyncio.run(ask(unmigrated_dsn, "CREATE INDEX users_locale ON users (role)"))

    assert code_of(start("head")) == 0
    assert asyncio.run(ask(unmigrated_dsn, VALID)) == 1


async def is_at_factors(dsn: str) -> bool:
    return await ask(dsn, REVISION) == FACTORS


def test_who_meets_a_lock_while_going_back_by_several_goes_no_further_than_was_said(
    start: Run, unmigrated_dsn: str
) -> None:
    # From before the next revision that changes the table.
    migrate(unmigrated_dsn, f"-{int(HEAD) - int(BEFORE_THE_NEXT)}")
    steps = int(BEFORE_THE_NEXT) - int(FACTORS) + 1

    async def meet() -> str:
        backup = await asyncpg.connect(unmigrated_dsn)
        async with backup.transaction():
            await backup.execute("LOCK TABLE factors IN ACCESS SHARE MODE")
            migration = start(f"-{steps}")
            await until(lambda: is_at_factors(unmigrated_dsn), seconds=60)
            with contextlib.suppress(subprocess.TimeoutExpired):  # it would try again for ever
                await asyncio.to_thread(migration.wait, 20)
        await backup.close()
        return (await asyncio.to_thread(migration.communicate))[1]

    said = asyncio.run(meet())

    assert asyncio.run(ask(unmigrated_dsn, REVISION)) == FACTORS
    assert "say anew how far to go" in said


VALID = """
    SELECT count(*) FROM pg_index
     WHERE indisvalid AND indexrelid = to_regclass('users_locale')
       AND pg_get_indexdef(indexrelid) LIKE '%(locale)'
"""


async def ask(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    answer: object = await connection.fetchval(query)
    await connection.close()
    return answer
