"""`docs/backup.md` does what it says: its blocks are pasted into one shell, as they stand."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from tests.fixtures.postgres import create_empty_database
from tests.journeys.conftest import SOURCE, Start, wait_until

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "backup.md"


def users_of(dsn: str) -> int:
    async def count() -> int:
        connection = await asyncpg.connect(dsn)
        try:
            users: int = await connection.fetchval("SELECT count(*) FROM users")
            return users
        finally:
            await connection.close()

    return asyncio.run(count())


def test_every_block_of_the_page_does_what_it_says(
    start: Start, tmp_path: Path, any_dsn: str, postgres: str
) -> None:
    """To the oldest PostgreSQL and the newest, and from there to the newest."""
    for name, module in (("python", ""), ("keyfob", "-m keyfob.cli")):
        program = tmp_path / ".venv" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        program.chmod(0o755)
    instance = start(DATA_DIR=str(tmp_path / ".keyfob"))
    wait_until(lambda: instance.is_ready)
    blocks = re.findall(r"^```sh\n(.+?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)

    home = tmp_path / "home"
    home.mkdir()
    newest = create_empty_database(postgres, "moved_to_the_newest")
    urls = {"KEYFOB_DATABASE_URL": any_dsn, "NEW_DATABASE_URL": newest}
    done = subprocess.run(
        ["bash", "-eu", "-c", "".join(blocks)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(SOURCE), "HOME": str(home)} | urls,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert users_of(newest) == users_of(any_dsn) == 1
    assert done.stdout.startswith("pg_dump (PostgreSQL) 18")
    assert "TABLE DATA public users" in done.stdout
    assert (home / "keyfob-backup" / "keyfob.dump").stat().st_mode & 0o077 == 0
    assert instance.stop() == 0
