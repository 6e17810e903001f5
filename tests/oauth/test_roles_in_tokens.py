"""An app learns the roles of its user by `groups` alone, also from tokens that are for others."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import App, make_app
from tests.fixtures.programs import BILLING, ORDERS, Program, make_program, make_resource
from tests.fixtures.world import World
from tests.oauth.test_token_exchange import claims_of, exchanged
from tests.web.account_pages import signed_in

from keyfob.authority.models import Role
from keyfob.authority.roles import Roles
from keyfob.clients.models import Grant
from keyfob.sessions.claims import SessionClaims

TOLD = {"role", "roles"}


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of Ada, a clerk, who may read orders."""
    ada: UUID = await world.make_user(name="Ada")
    async with world.db.begin() as tx:
        await world.service(Roles).add(tx, "clerk", ["orders:read"])
        await world.service(Roles).give(tx, ada, "clerk", given_by=None, expires_at=None)
        await world.service(SessionClaims).change_roles(tx, ada, Role.USER)
    async with signed_in(world) as browser:
        yield browser


@pytest.fixture
async def app(world: World) -> App:
    await make_resource(world)
    await make_resource(world, BILLING, ["orders:read"])
    return await make_app(world, resources=(ORDERS,), scope=("orders:read",))


async def at_orders(app: App, browser: httpx.AsyncClient, about: str = "openid") -> str:
    """Return a token for the API of orders."""
    asked = {"scope": f"{about} orders:read", "resource": ORDERS}
    token: str = (await app.tokens(browser, **asked))["access_token"]
    return token


async def test_without_groups_no_token_tells_them_to_its_app(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    for_us = await app.tokens(browser, scope="openid profile")
    for_api = await at_orders(app, browser)
    again = (await app.refresh(for_us["refresh_token"])).json()

    for token in (for_us["access_token"], for_api, again["access_token"]):
        assert TOLD.isdisjoint(claims_of(token))
        assert TOLD.isdisjoint(await Program(world, app.id, app.secret or "").introspect(token))
        assert "clerk" not in str(claims_of(token))
    assert claims_of(for_api)["scope"] == "orders:read"


async def test_with_groups_they_are_told_to_the_api_too(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    orders = await make_program(world)
    token = await at_orders(app, browser, "openid groups")

    assert claims_of(token)["roles"] == ["user", "clerk"]
    assert (await orders.introspect(token))["roles"] == ["user", "clerk"]


async def test_who_asks_for_the_claim_alone_gets_it(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    tokens = await app.tokens(browser, scope="openid", claims='{"userinfo": {"groups": null}}')
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}

    told = (await world.api.get("/oauth2/userinfo", headers=bearer)).json()

    assert told["groups"] == ["user", "clerk"]


async def test_what_a_role_loses_is_in_no_such_token_any_more(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    orders = await make_program(world)
    token = await at_orders(app, browser)
    before = await orders.introspect(token)

    async with world.db.begin() as tx:
        await world.service(Roles).change(tx, "clerk", [])

    assert before["scope"] == "orders:read"
    assert (await orders.introspect(token))["scope"] == ""


async def test_what_such_a_token_is_exchanged_for_tells_nothing_either(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    gateway = await make_program(
        world,
        grants=[Grant.TOKEN_EXCHANGE],
        scope=["orders:read"],
        resources=[ORDERS, BILLING],
    )

    further = await exchanged(gateway, await at_orders(app, browser), resource=BILLING)

    assert claims_of(further)["scope"] == "orders:read"
    assert TOLD.isdisjoint(claims_of(further))
    assert TOLD.isdisjoint(await gateway.introspect(further))
