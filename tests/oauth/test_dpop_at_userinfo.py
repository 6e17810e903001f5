"""Bound tokens at `userinfo`: with a proof, and never as a bearer's (RFC 9449 section 7)."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.holder import Holder, bound_tokens, hash_of
from tests.fixtures.programs import own_api
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.settings import Settings

USERINFO = "/oauth2/userinfo"


@pytest.fixture
async def ada(world: World) -> UUID:
    return await world.make_user(name="Ada")


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


async def test_userinfo_tells_the_holder_of_the_key(
    world: World, browser: httpx.AsyncClient, holder: Holder, ada: UUID
) -> None:
    app = await make_app(world)
    token = (await bound_tokens(app, browser, holder))["access_token"]

    for method in ("GET", "POST"):
        answer = await holder.show(token, USERINFO, method)
        assert answer.json()["sub"] == str(ada)
        assert answer.headers["dpop-nonce"] == holder.nonce


async def test_userinfo_tells_no_bearer(
    world: World, browser: httpx.AsyncClient, holder: Holder
) -> None:
    app = await make_app(world)
    token = (await bound_tokens(app, browser, holder))["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    proof = holder.proof(USERINFO, "GET", ath=hash_of(token))

    await holder.show(token, USERINFO)  # from now on it is remembered
    shown = [
        await world.api.get(USERINFO, headers=bearer),
        await world.api.get(USERINFO, headers=bearer),
        await world.api.get(USERINFO, headers=bearer | {"DPoP": proof}),
        await world.api.post(USERINFO, data={"access_token": token}),
    ]

    for answer in shown:
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith('DPoP algs="EdDSA Ed25519 ES256 PS256", error=')


async def test_userinfo_refuses_what_does_not_fit(
    world: World, browser: httpx.AsyncClient, holder: Holder
) -> None:
    app, thief = await make_app(world), Holder(world, "EdDSA", nonce=holder.nonce)
    tokens = await bound_tokens(app, browser, holder)
    token = tokens["access_token"]
    wrong: list[dict[str, Any]] = [
        {"ath": None},
        {"ath": hash_of("other")},
        {"ath": "é"},
        {"ath": 7},
        {"htm": "POST"},
        {"htu": own_api(world) + "/oauth2/token"},
        {"iat": 1},
    ]
    for changed in wrong:
        answer = await holder.show(token, USERINFO, **changed)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_dpop_proof")
        assert 'error="invalid_dpop_proof"' in answer.headers["www-authenticate"]
    assert (await thief.show(token, USERINFO)).json()["error"] == "invalid_token"
    alone = await world.api.get(USERINFO, headers={"Authorization": f"DPoP {token}"})
    assert alone.json()["error"] == "invalid_dpop_proof"
    assert (await holder.show("nonsense", USERINFO)).json()["error"] == "invalid_token"


async def test_an_unbound_token_is_not_taken_with_a_key(
    world: World, browser: httpx.AsyncClient, holder: Holder
) -> None:
    token = (await (await make_app(world)).tokens(browser))["access_token"]

    answer = await holder.show(token, USERINFO)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


async def test_a_proof_counts_once_and_has_a_nonce(
    world: World,
    other: World,
    browser: httpx.AsyncClient,
    holder: Holder,
) -> None:
    app = await make_app(world)
    token = (await bound_tokens(app, browser, holder))["access_token"]
    jti = {"jti": "once"}

    first = await holder.show(token, USERINFO, **jti)
    again = await holder.show(token, USERINFO, **jti)
    elsewhere = await holder.show(token, USERINFO, by=other, **jti)
    without = await holder.show(token, USERINFO, nonce=None)

    assert first.status_code == 200
    assert again.json()["error"] == elsewhere.json()["error"] == "invalid_dpop_proof"
    assert (without.status_code, without.json()["error"]) == (401, "use_dpop_nonce")
    assert without.headers["dpop-nonce"] == holder.nonce
    assert 'error="use_dpop_nonce"' in without.headers["www-authenticate"]


async def test_who_shows_too_many_is_told_to_wait(settings: Settings, clock: MovableClock) -> None:
    limits = {"limits": "on", "limit_proof": "2/minute"}
    async with World(settings.model_copy(update=limits), clock) as world:
        await world.make_user(name="Ada")
        app, holder = await make_app(world), Holder(world)
        await holder.learn()
        async with signed_in(world) as browser:
            token = (await bound_tokens(app, browser, holder))["access_token"]
        codes = [(await holder.show(token, USERINFO)).status_code for _ in range(3)]

    assert codes == [200, 200, 429]


async def test_a_page_of_any_origin_may_read_the_nonce(world: World, holder: Holder) -> None:
    proof = holder.proof(USERINFO, "GET", ath=hash_of("x"), nonce=None)
    headers = {"Authorization": "DPoP x", "DPoP": proof, "Origin": "https://spa.example.com"}

    answer = await world.api.get(USERINFO, headers=headers)
    asked = await world.api.options(
        USERINFO, headers={"Origin": "null", "Access-Control-Request-Method": "GET"}
    )

    exposed = answer.headers["access-control-expose-headers"].lower()
    assert {"dpop-nonce", "www-authenticate"} <= set(exposed.split(", "))
    assert "dpop" in asked.headers["access-control-allow-headers"].split(", ")
