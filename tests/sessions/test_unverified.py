"""Sessions from before addresses had to be verified."""

from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import SignedIn, World

from keyfob.settings import Settings


@pytest.fixture
def required(settings: Settings) -> Settings:
    return settings.model_copy(update={"verify_email": "required"})


async def start(world: World) -> None:
    """Do what a worker does at its start."""
    for chore in world.wiring.worker.chores:
        if chore.name == "unverified sessions":
            assert chore.at_start
            await chore.run()


async def make_unverified(world: World, email: str) -> tuple[UUID, SignedIn]:
    user_id = await world.make_user(email)
    await world.db.execute("UPDATE users SET email_verified_at = NULL WHERE id = $1", user_id)
    return user_id, await world.log_in(email)


async def make_key(world: World, caller: SignedIn) -> str:
    body = {"name": "Backup", "scope": ["account:read"]}
    made = await world.api.post("/me/api-keys", json=body, headers=caller.headers)
    return str(made.json()["api_key"])


async def test_they_and_api_keys_end_at_the_start_that_requires_it(
    settings: Settings, required: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as before:
        user_id, ada = await make_unverified(before, "ada@example.com")
        bearer = {"Authorization": f"Bearer {await make_key(before, ada)}"}
        await start(before)
        assert (await before.me(ada)).status_code == 200

    async with World(required, clock) as after:
        await start(after)

        assert (await after.me(ada)).status_code == 401
        assert (await after.refresh(ada.refresh)).status_code == 401
        assert (await after.api.get("/me", headers=bearer)).status_code == 401
        [ended] = [row for row in await after.login_log() if row["outcome"] == "ended"]
        assert (ended["reason"], ended["user_id"]) == ("email_not_verified", user_id)
        await start(after)
        assert len([row for row in await after.login_log() if row["outcome"] == "ended"]) == 1


async def test_those_of_verified_addresses_go_on(
    settings: Settings, required: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as before:
        await before.make_user("bob@example.com")
        bob = await before.log_in("bob@example.com")
        key = await make_key(before, bob)

    async with World(required, clock) as after:
        await start(after)

        assert (await after.me(bob)).status_code == 200
        bearer = {"Authorization": f"Bearer {key}"}
        assert (await after.api.get("/me", headers=bearer)).status_code == 200
