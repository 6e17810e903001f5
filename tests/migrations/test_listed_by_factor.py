"""A populated database from before users were listed by their factors."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.passkeys import own_passkey
from tests.fixtures.postgres import migrate
from tests.fixtures.world import World

import keyfob.migrations
from keyfob.migrations.head import HEAD
from keyfob.settings import Settings

VERSIONS = Path(keyfob.migrations.__file__).parent / "versions"
(FIRST,) = VERSIONS.glob("*_listed_by_factor.py")
BEFORE = f"-{int(HEAD) - int(FIRST.name[:4]) + 1}"


@pytest.fixture
def old(settings: Settings, migrated_dsn: str) -> Settings:
    """Settings for a database of this test's own."""
    return settings.model_copy(update={"database_url": SecretStr(migrated_dsn)})


async def test_factors_of_before_are_known_after_the_upgrade(
    old: Settings, clock: MovableClock
) -> None:
    async with World(old, clock) as world:
        await world.make_user("bob@example.com")
        await world.make_user()
        await own_passkey(world, await world.log_in())
    await asyncio.to_thread(migrate, old.dsn, BEFORE)
    await asyncio.to_thread(migrate, old.dsn)

    async with World(old, clock) as world:
        known = "SELECT email, has_totp, has_passkey FROM users ORDER BY email"
        assert [tuple(row) for row in await world.db.fetch(known)] == [
            ("ada@example.com", False, True),
            ("bob@example.com", False, False),
        ]
