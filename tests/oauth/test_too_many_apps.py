"""A user lets a hundred apps of strangers have something; beyond that, the oldest ends."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from tests.clients.test_many_strangers import add_strangers
from tests.fixtures.apps import CALLBACK, App, make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"dynamic_registration": "open"})


@pytest.fixture
async def ada(world: World) -> UUID:
    return await world.make_user(name="Ada")


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


async def register(world: World) -> App:
    body = {
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    }
    made = (await world.api.post("/oauth2/register", json=body)).json()
    return App(world, UUID(made["client_id"]), None)


async def count(world: World, user_id: UUID) -> int:
    found = await world.db.fetchval("SELECT count(*) FROM consents WHERE user_id = $1", user_id)
    return int(found)


async def test_the_one_that_was_allowed_longest_ago_ends(
    world: World, ada: UUID, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    oldest, ours = await register(world), await make_app(world)
    tokens = await oldest.tokens(browser)
    kept = await ours.tokens(browser)
    clock.advance(seconds=1)
    await add_strangers(world, ada, 99)
    await world.db.execute("UPDATE consents SET given_at = $1 WHERE scope = '{}'", clock.now())
    clock.advance(seconds=1)
    assert await count(world, ada) == 101

    newest = await (await register(world)).tokens(browser)

    assert await count(world, ada) == 101
    opened = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await world.api.get("/oauth2/userinfo", headers=opened)).status_code == 401
    assert (await oldest.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await ours.refresh(kept["refresh_token"])).status_code == 200
    assert newest["refresh_token"]
    log = [one for one in await world.audit_log() if one["action"] == "app.removed"]
    assert [(one["actor_id"], one["target_id"]) for one in log] == [(None, ada)]
    assert log[0]["old_values"]["client_id"] == str(oldest.id)
    assert log[0]["old_values"]["grants"] == 1


async def test_of_far_too_many_a_few_end_each_time(
    world: World, ada: UUID, browser: httpx.AsyncClient
) -> None:
    bob = await world.make_user("bob@example.com")
    await add_strangers(world, ada, 130)
    await add_strangers(world, bob, 130)
    await world.db.execute("UPDATE consents SET given_at = '2020-01-01'")

    await (await register(world)).tokens(browser)
    assert (await count(world, ada), await count(world, bob)) == (121, 130)
    app = await register(world)
    for _ in range(3):
        await app.tokens(browser)

    assert await count(world, ada) == 100
