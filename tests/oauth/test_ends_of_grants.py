"""What an app has ended, or a thief of its code: each is a line of the login log."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.apps import App, make_app
from tests.fixtures.world import World
from tests.web.account_pages import signed_in


@pytest.fixture
async def app(world: World) -> App:
    return await make_app(world)


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.make_user()
    async with signed_in(world) as browser:
        yield browser


async def ends(world: World) -> list[str]:
    """Return the reasons of the ends in the log, each with a session that has ended."""
    lines = await world.db.fetch(
        """
        SELECT reason, session_id IN (SELECT id FROM sessions WHERE ended_at IS NOT NULL) AS is_so
          FROM login_events WHERE outcome = 'ended' ORDER BY at, id
        """
    )
    assert all(line["is_so"] for line in lines)
    return [line["reason"] for line in lines]


async def test_a_code_that_is_used_twice(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    code = await app.code(browser)
    assert (await app.exchange(code)).status_code == 200
    assert await ends(world) == []

    for _ in range(2):
        assert (await app.exchange(code)).status_code == 400

    assert await ends(world) == ["ended_by_client"]


async def test_what_an_app_gives_up(world: World, browser: httpx.AsyncClient) -> None:
    app = await make_app(world, public=True)
    token = (await app.tokens(browser))["refresh_token"]
    form = {"token": token, "client_id": str(app.id)}

    for _ in range(2):
        assert (await world.api.post("/oauth2/revoke", data=form)).status_code == 200

    assert await ends(world) == ["ended_by_client"]
