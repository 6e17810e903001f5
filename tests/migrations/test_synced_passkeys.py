"""A populated database from before it was stored whether a passkey can be synced."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.fixtures.authenticator import BE, BS, UP, UV
from tests.fixtures.clock import MovableClock
from tests.fixtures.passkeys import own_passkey, sign_in
from tests.fixtures.postgres import migrate
from tests.fixtures.world import SignedIn, World

import keyfob.migrations
from keyfob.migrations.head import HEAD
from keyfob.settings import Settings

VERSIONS = Path(keyfob.migrations.__file__).parent / "versions"
(FIRST,) = VERSIONS.glob("*_synced_passkeys.py")
BEFORE = f"-{int(HEAD) - int(FIRST.name[:4]) + 1}"


@pytest.fixture
def old(settings: Settings, migrated_dsn: str) -> Settings:
    """Settings for a database of this test's own."""
    return settings.model_copy(update={"database_url": SecretStr(migrated_dsn)})


async def test_what_was_backed_up_is_synced_and_the_others_tell_at_their_next_use(
    old: Settings, clock: MovableClock
) -> None:
    known = "SELECT array_agg(backup_eligible ORDER BY backed_up) FROM factors"
    async with World(old, clock) as world:
        await world.make_user()
        ada = await world.log_in()
        key = await own_passkey(world, ada, sign_count=7)
        ada = SignedIn.of(await world.refresh(ada.refresh))
        synced = await own_passkey(world, ada, sign_count=7, flags=UP | UV | BE | BS)
    await asyncio.to_thread(migrate, old.dsn, BEFORE)
    await asyncio.to_thread(migrate, old.dsn)

    async with World(old, clock) as world:
        before = await world.db.fetchval(known)
        first = await sign_in(world, key)
        after = await world.db.fetchval(known)
        synced.sign_count = key.sign_count = 0
        fallen = [await sign_in(world, synced), await sign_in(world, key)]

    assert (before, after) == ([None, True], [False, True])
    assert first.status_code == 200
    assert [answer.status_code for answer in fallen] == [200, 401]
