"""A populated database of a release in which sessions outlived the factor that opened them."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp, begin_totp, confirm_totp
from tests.fixtures.hostile import claims_of
from tests.fixtures.passkeys import begin_adding
from tests.fixtures.postgres import migrate
from tests.fixtures.world import SignedIn, World

import keyfob.migrations
from keyfob.migrations.head import HEAD
from keyfob.settings import Settings

pytestmark = pytest.mark.slow

VERSIONS = Path(keyfob.migrations.__file__).parent / "versions"
(FIRST,) = VERSIONS.glob("*_ceremonies_of_sessions.py")
BEFORE = f"-{int(HEAD) - int(FIRST.name[:4]) + 1}"


@pytest.fixture
def old(settings: Settings, migrated_dsn: str) -> Settings:
    """Settings for a database of this test's own."""
    return settings.model_copy(update={"database_url": SecretStr(migrated_dsn)})


async def test_sessions_tell_of_no_factor_that_is_gone_and_what_was_begun_begins_anew(
    old: Settings, clock: MovableClock
) -> None:
    async with World(old, clock) as world:
        await world.make_user("bob@example.com")
        bob = await world.log_in("bob@example.com")
        await add_totp(world, bob, clock)
        await world.make_user()
        ada = await world.log_in()
        await add_totp(world, ada, clock)
        ada = SignedIn.of(await world.refresh(ada.refresh))
        begun = await begin_totp(world, ada, clock, "Tablet")
        await begin_adding(world, ada)
        gone = "DELETE FROM factors AS f USING users AS u WHERE u.id = f.user_id AND u.email LIKE"
        await world.db.execute(f"{gone} 'ada%' AND confirmed_at IS NOT NULL")

    await asyncio.to_thread(migrate, old.dsn, BEFORE)
    await asyncio.to_thread(migrate, old.dsn)

    async with World(old, clock) as world:
        assert claims_of(SignedIn.of(await world.refresh(ada.refresh)).access)["acr"] == "aal1"
        assert claims_of(SignedIn.of(await world.refresh(bob.refresh)).access)["acr"] == "aal2"
        ada = await world.log_in()
        assert (await confirm_totp(world, ada, begun)).status_code == 404
        assert await world.db.fetchval("SELECT count(*) FROM webauthn_challenges") == 0
        await add_totp(world, ada, clock)
