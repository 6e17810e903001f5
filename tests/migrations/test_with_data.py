"""Up, down and up again with data in between, with the service, on all supported PostgreSQLs."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.postgres import migrate
from tests.fixtures.world import SignedIn, World

from keyfob.core.database import Database
from keyfob.login_log.service import LoginLog
from keyfob.settings import Settings

pytestmark = pytest.mark.slow

SHAPE = """
    SELECT table_name::text AS name, column_name::text AS part, data_type || is_nullable AS kind
      FROM information_schema.columns WHERE table_schema = 'public'
     UNION ALL
    SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
     UNION ALL
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
     UNION ALL
    SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid)
      FROM pg_trigger WHERE NOT tgisinternal
     ORDER BY 1, 2, 3
"""


@pytest.fixture
def anywhere(any_dsn: str, tmp_path: Path) -> Settings:
    """Complete settings for a database that is not migrated yet."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg] # pydantic-settings' own parameter
        database_url=any_dsn,
        data_dir=tmp_path,
        secret_key="a secret key that only the tests know",
        bcrypt_cost=4,
        metrics=False,
    )


async def shape_of(dsn: str) -> list[tuple[str, ...]]:
    db = Database(dsn)
    await db.open()
    rows = await db.fetch(SHAPE)
    await db.close()
    return [tuple(row) for row in rows if "login_events_2" not in row["name"]]  # but the months


async def live_a_day(settings: Settings, clock: MovableClock) -> None:
    """Use every table of the service over HTTP."""
    async with World(settings, clock) as world:
        new = {"email": "ada@example.com", "password": "correct horse battery"}
        signed_up = SignedIn.of(await world.api.post("/register", json=new))
        wrong = await world.attempt_login(password="wrong horse")
        assert wrong.status_code == 401
        clock.advance(minutes=1)
        signed_in = SignedIn.of(await world.refresh((await world.log_in()).refresh))
        clock.advance(minutes=1)
        assert (await world.me(signed_in)).status_code == 200
        gone = await world.api.delete("/logout", headers=signed_up.headers)
        assert gone.status_code == 204
        assert (await world.me(signed_up)).status_code == 401

        root = await world.make_admin()
        clock.advance(seconds=30)
        await world.me(root)
        await world.wiring.worker.last()
        await world.service(LoginLog).make_months()

        listed = await world.api.get(
            "/admin/users",
            params={"search": "ADA", "sort": "-last_active_at"},
            headers=root.headers,
        )
        assert [user["email"] for user in listed.json()] == ["ada@example.com"]
        assert listed.json()[0]["total_active_time"] == 120
        assert listed.headers["x-total-count"] == "1"
        months = await world.db.fetch(
            "SELECT tableoid::regclass::text AS month, count(*) FROM login_events GROUP BY 1"
        )
        assert [tuple(row) for row in months] == [(f"login_events_{clock.now():%Y_%m}", 5)]


async def test_up_down_and_up_again(anywhere: Settings, clock: MovableClock) -> None:
    dsn = anywhere.dsn
    await asyncio.to_thread(migrate, dsn)
    first = await shape_of(dsn)
    await live_a_day(anywhere, clock)
    await asyncio.to_thread(migrate, dsn, "-1")
    await asyncio.to_thread(migrate, dsn)
    assert await shape_of(dsn) == first

    await asyncio.to_thread(migrate, dsn, "base")
    assert {name for name, *_ in await shape_of(dsn)} == {"alembic_version"}

    await asyncio.to_thread(migrate, dsn)
    assert await shape_of(dsn) == first
    await live_a_day(anywhere, clock)


def test_two_that_migrate_at_once(any_dsn: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "KEYFOB_MIGRATE_DSN": any_dsn,
    }
    command = [sys.executable, "-m", "keyfob.migrations.run", "head"]
    both = [subprocess.Popen(command, env=environment) for _ in range(2)]

    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert ("users", "email", "textNO") in asyncio.run(shape_of(any_dsn))
