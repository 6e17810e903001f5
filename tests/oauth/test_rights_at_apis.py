"""What apps get at APIs: what each of these offers, what its user allowed there, and no longer."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from tests.fixtures.apps import App, hidden_fields, make_app, onward
from tests.fixtures.programs import (
    BILLING,
    ORDERS,
    Program,
    give_role,
    make_program,
    make_resource,
    own_api,
)
from tests.fixtures.world import World
from tests.web.account_pages import signed_in, text_of

from keyfob.clients.models import Grant
from keyfob.clients.resources import Resources

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
GRANTS = (Grant.AUTHORIZATION_CODE, Grant.REFRESH_TOKEN, Grant.TOKEN_EXCHANGE)
READ = ("orders:read",)


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.make_user(name="Ada")
    await give_role(world, await world.log_in(), *READ)
    async with signed_in(world) as browser:
        yield browser


async def make_apis(world: World, *, ttl: int | None = None) -> None:
    """Register two APIs that have a right of the same name."""
    await make_resource(world, scopes=READ, ttl=ttl)
    await make_resource(world, BILLING, READ)


async def make_app_of_both(world: World, **fields: Any) -> App:
    app = await make_app(world, scope=READ, resources=(ORDERS, BILLING), grants=GRANTS, **fields)
    app.asks = {"scope": "openid orders:read", "resource": ORDERS}
    return app


async def exchange(app: App, token: str, resource: str) -> httpx.Response:
    return await app.token(
        {
            "grant_type": Grant.TOKEN_EXCHANGE,
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
            "resource": resource,
        }
    )


def lifetime_of(tokens: dict[str, Any]) -> int:
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == tokens["expires_in"]
    return int(tokens["expires_in"])


async def test_tokens_of_people_live_no_longer_than_their_api_allows(
    world: World, browser: httpx.AsyncClient
) -> None:
    await make_apis(world, ttl=60)
    app = await make_app_of_both(world)

    first = await app.tokens(browser)
    again = (await app.refresh(first["refresh_token"])).json()
    elsewhere = await app.tokens(browser, resource=BILLING)

    assert (lifetime_of(first), lifetime_of(again), lifetime_of(elsewhere)) == (60, 60, 300)


async def test_an_app_exchanges_its_token_only_for_what_its_user_allowed_there(
    world: World, browser: httpx.AsyncClient
) -> None:
    await make_apis(world)
    app = await make_app_of_both(world)
    tokens = await app.tokens(browser)

    refused = await exchange(app, tokens["access_token"], BILLING)
    await app.tokens(browser, resource=BILLING)
    given = await exchange(app, tokens["access_token"], BILLING)
    assert given.status_code == 200, given.text

    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    assert given.json()["scope"] == "orders:read"


async def test_nobody_is_asked_for_an_app_of_our_own(
    world: World, browser: httpx.AsyncClient
) -> None:
    await make_apis(world)
    app = await make_app_of_both(world, first_party=True)
    tokens = await app.tokens(browser)

    assert (await exchange(app, tokens["access_token"], BILLING)).status_code == 200


async def test_an_api_that_was_shown_a_token_goes_on_with_rights_of_its_own(
    world: World, browser: httpx.AsyncClient
) -> None:
    await make_apis(world)
    app = await make_app_of_both(world)
    tokens = await app.tokens(browser)
    made = await make_program(
        world, grants=(Grant.TOKEN_EXCHANGE,), scope=READ, resources=(ORDERS, BILLING)
    )
    api = App(world, made.id, made.secret)

    once = await exchange(api, tokens["access_token"], BILLING)
    twice = await exchange(api, once.json()["access_token"], ORDERS)

    assert (once.status_code, twice.status_code) == (200, 200)


async def test_a_right_is_allowed_at_no_api_that_gets_it_later(
    world: World, browser: httpx.AsyncClient
) -> None:
    await make_resource(world, scopes=READ)
    await make_resource(world, BILLING, ("bills:read",))
    app = await make_app(
        world, scope=(*READ, "bills:read"), resources=(ORDERS, BILLING), grants=GRANTS
    )
    both = app.query(scope="openid orders:read bills:read", resource=None)
    asked = [*both.items(), ("resource", ORDERS), ("resource", BILLING)]
    page = await onward(browser, await browser.get("/oauth2/authorize", params=asked))
    fields = {**dict(hidden_fields(page)), "decision": "allow"}
    assert (await browser.post("/ui/authorize", data=fields)).status_code == 200
    kept = await world.db.fetchval("SELECT scope FROM consents")

    resources = world.service(Resources)
    billing = next(one for one in await resources.list_all(world.db) if one.identifier == BILLING)
    async with world.db.begin() as tx:
        locked = await resources.lock(tx, billing.id)
        assert locked is not None
        await resources.change(tx, locked._replace(scopes={**billing.scopes, READ[0]: {}}))
    asks = {"scope": "openid orders:read", "resource": BILLING}
    again = await onward(browser, await app.send(browser, **asks))

    assert set(kept) == {"openid", f"{ORDERS} orders:read", f"{BILLING} bills:read"}
    assert "Allow Ledger?" in text_of(again)


async def test_no_token_is_for_our_own_api_and_another(world: World) -> None:
    await make_resource(world, scopes=READ)
    own = own_api(world)
    program: Program = await make_program(
        world, scope=("users:read", *READ), resources=(own, ORDERS)
    )

    both = await program.ask_token(resource=[own, ORDERS], scope="users:read")
    one = await program.ask_token(resource=own, scope="users:read")

    assert (both.status_code, both.json()["error"]) == (400, "invalid_target")
    assert one.status_code == 200
    assert UUID(jwt.decode(one.json()["access_token"], options={"verify_signature": False})["sub"])
