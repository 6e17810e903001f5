"""An app asks for single claims by name (OpenID Connect Core section 5.5)."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from tests.fixtures.apps import App, answer_of, decided, hidden_fields, make_app, onward
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import signed_in, text_of

pytestmark = pytest.mark.usefixtures("ada")
FACTOR = {"id_token": {"acr": {"essential": True, "values": ["aal2"]}}}


@pytest.fixture
async def ada(world: World) -> UUID:
    """The user, whose address is verified."""
    return await world.make_user(name="Ada")


@pytest.fixture
async def app(world: World) -> App:
    return await make_app(world)


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def userinfo(world: World, tokens: dict[str, Any]) -> Any:
    header = {"Authorization": f"Bearer {tokens['access_token']}"}
    return (await world.api.get("/oauth2/userinfo", headers=header)).json()


def asking(claims: Any, **more: str) -> dict[str, str]:
    return {"scope": "openid", "claims": json.dumps(claims), **more}


async def test_claims_come_where_they_are_asked_for_also_after_a_refresh(
    world: World, app: App, browser: httpx.AsyncClient, ada: UUID
) -> None:
    claims = {
        "userinfo": {"name": None, "gender": None},
        "id_token": {"email": {"essential": True}},
    }

    first = await app.tokens(browser, **asking(claims))
    next_ = (await app.refresh(first["refresh_token"])).json()

    for tokens in (first, next_):
        assert await userinfo(world, tokens) == {"sub": str(ada), "name": "Ada"}
        told = claims_of(tokens["id_token"])
        assert told["email"] == "ada@example.com"
        assert "name" not in told
    assert first["scope"] == "openid"


async def test_a_scope_that_is_given_up_takes_its_named_claims_along(
    world: World, app: App, browser: httpx.AsyncClient, ada: UUID
) -> None:
    asked = asking({"userinfo": {"email": None, "name": None}}, scope="openid email")
    first = await app.tokens(browser, **asked)

    same = (await app.refresh(first["refresh_token"], scope="openid email")).json()
    less = (await app.refresh(same["refresh_token"], scope="openid")).json()

    assert (await userinfo(world, same))["email"] == "ada@example.com"
    assert await userinfo(world, less) == {"sub": str(ada), "name": "Ada"}


async def test_a_user_is_asked_in_the_words_of_the_scope_that_has_the_claim(
    app: App, browser: httpx.AsyncClient
) -> None:
    page = await onward(browser, await app.send(browser, **asking({"userinfo": {"groups": None}})))
    await decided(browser, page, "allow")
    again = await app.send(browser, **asking({"id_token": {"groups": None}}))
    more = await onward(browser, await app.send(browser, **asking({"userinfo": {"name": None}})))

    assert "Your roles" in text_of(page)
    assert "Your address" not in text_of(page)
    assert "code" in answer_of(again)
    assert "Your name" in text_of(more)


async def test_an_unproven_address_is_not_told_by_name_either(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    await world.db.execute("UPDATE users SET email_verified_at = NULL")

    tokens = await app.tokens(
        browser, **asking({"userinfo": {"email": None, "email_verified": None}})
    )

    assert (await userinfo(world, tokens)).keys() == {"sub"}


async def test_without_openid_there_is_nobody_to_tell_about(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    asked = asking({"userinfo": {"name": None}}, scope="profile")

    tokens = await app.tokens(browser, **asked)

    assert "id_token" not in tokens
    assert "userinfo" not in claims_of(tokens["access_token"])


async def test_whom_an_essential_factor_is_asked_of_proves_it_or_the_app_is_told(
    world: World, app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    clock.advance(5)
    quiet = answer_of(await app.send(browser, **asking(FACTOR, prompt="none")))
    page = await onward(browser, await app.send(browser, **asking(FACTOR)))
    going_on = dict(hidden_fields(page)) | {"step-up-password": PASSWORD}
    weak = await onward(browser, await browser.post("/ui/step-up", data=going_on))
    await world.db.execute("UPDATE sessions SET amr = '{pwd,otp,mfa}'")
    strong = await app.tokens(browser, **asking(FACTOR))

    assert quiet["error"] == "login_required"
    assert "Is it you?" in text_of(page)
    assert answer_of(weak)["error"] == "unmet_authentication_requirements"
    assert claims_of(strong["id_token"])["acr"] == "aal2"


async def test_nobody_allows_past_the_page_what_a_weak_sign_in_may_not(
    world: World, app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    await world.db.execute("UPDATE sessions SET amr = '{pwd,otp,mfa}'")
    page = await onward(browser, await app.send(browser, **asking(FACTOR)))
    await world.db.execute("UPDATE sessions SET amr = '{pwd}'")

    answer = answer_of(await decided(browser, page, "allow"))

    assert answer["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize(
    "acr",
    [
        {"essential": True, "values": ["aal2", "aal1"]},
        {"essential": True, "value": "aal1"},
        {"essential": True},
        {"essential": True, "values": [7]},
        None,
    ],
)
async def test_what_any_sign_in_fulfils_asks_for_nothing(
    app: App, browser: httpx.AsyncClient, clock: MovableClock, acr: Any
) -> None:
    clock.advance(5)

    tokens = await app.tokens(browser, **asking({"id_token": {"acr": acr}}))

    assert claims_of(tokens["id_token"])["acr"] == "aal1"


async def test_a_named_subject_alone_may_answer(
    app: App, browser: httpx.AsyncClient, ada: UUID
) -> None:
    async def answered(subject: str) -> dict[str, str]:
        asked = asking({"id_token": {"sub": {"value": subject}}}, prompt="none")
        return answer_of(await app.send(browser, **asked))

    await app.code(browser, scope="openid")

    assert "code" in await answered(str(ada))
    assert (await answered(str(UUID(int=7))))["error"] == "login_required"
    assert (await answered("ada"))["error"] == "invalid_request"


WRONG = [
    "{",
    "[]",
    "7",
    "null",
    '{"userinfo": []}',
    '{"id_token": "name"}',
    "[" * 4000,
    json.dumps({"userinfo": {"x": "y" * 4096}}),
]


async def test_what_is_no_claims_request_is_refused(app: App, browser: httpx.AsyncClient) -> None:
    for claims in WRONG:
        answer = answer_of(await app.send(browser, scope="openid", claims=claims))
        assert answer["error"] == "invalid_request", claims

    unknown = {"id_token": {"acr": {"essential": True, "value": "phr"}}}
    assert answer_of(await app.send(browser, **asking(unknown)))["error"] == (
        "unmet_authentication_requirements"
    )


async def test_what_is_unknown_is_ignored(app: App, browser: httpx.AsyncClient) -> None:
    odd = {"vc": [], "userinfo": {"name": 7, "x": {"y": []}}, "id_token": None}

    tokens = await app.tokens(browser, **asking(odd))

    assert claims_of(tokens["access_token"])["userinfo"] == ["name"]
