"""An app that is disabled loses what it has, for good."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.apps import App, make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.device_apps import DeviceApp, decide, typed
from tests.fixtures.waiting import until
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.administration.authority import Actor
from keyfob.administration.clients import ClientAdministration
from keyfob.clients.models import ClientChange, Grant

LIVE = "SELECT count(*) FROM sessions WHERE client_id = $1 AND ended_at IS NULL"


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.make_user(name="Ada")
    async with signed_in(world) as browser:
        yield browser


async def switch(app: App, *, disabled: bool) -> None:
    administration = app.world.service(ClientAdministration)
    await administration.change(Actor(None), app.id, ClientChange(disabled=disabled))


async def live(app: App) -> int:
    found: int = await app.world.db.fetchval(LIVE, app.id)
    return found


async def test_its_grants_do_not_live_again_when_it_is_enabled(
    world: World, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    app, other = await make_app(world), await make_app(world, name="Wiki")
    asked = {"scope": "openid offline_access"}
    tokens, others = await app.tokens(browser, **asked), await other.tokens(browser)
    clock.advance(1)

    await switch(app, disabled=True)
    refused = await app.refresh(tokens["refresh_token"])
    clock.advance(1)
    await switch(app, disabled=False)
    again = await app.refresh(tokens["refresh_token"])

    assert refused.json()["error"] == "invalid_client"
    assert again.json()["error"] == "invalid_grant"
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await world.api.get("/oauth2/userinfo", headers=bearer)).status_code == 401
    assert (await other.refresh(others["refresh_token"])).status_code == 200
    anew = await app.tokens(browser, **asked)
    assert (await app.refresh(anew["refresh_token"])).status_code == 200


async def test_what_it_was_promised_is_not_kept_until_it_is_enabled(
    world: World, browser: httpx.AsyncClient
) -> None:
    both = (Grant.AUTHORIZATION_CODE, Grant.REFRESH_TOKEN, Grant.DEVICE_CODE)
    app = await make_app(world, grants=both)
    tv = DeviceApp(app)
    code = await app.code(browser)
    codes = await tv.codes()
    await typed(browser, codes["user_code"])
    await decide(browser, codes["user_code"])

    await switch(app, disabled=True)
    await switch(app, disabled=False)

    assert (await app.exchange(code)).json()["error"] == "invalid_grant"
    assert (await tv.poll(codes)).json()["error"] == "invalid_grant"


async def test_a_job_ends_them_and_leaves_those_from_afterwards(
    world: World, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    app = await make_app(world)
    await app.tokens(browser)
    clock.advance(1)
    await switch(app, disabled=True)

    async def all_ended() -> bool:
        return await live(app) == 0

    await until(all_ended)
    clock.advance(1)
    await switch(app, disabled=False)
    await app.tokens(browser)
    assert await live(app) == 1


async def test_what_a_deleted_app_had_ends(
    world: World, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    app = await make_app(world)
    await app.tokens(browser)

    await world.service(ClientAdministration).delete(Actor(None), app.id)

    async def all_ended() -> bool:
        return await live(app) == 0

    await until(all_ended)
