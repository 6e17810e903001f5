"""An app sends its user here and gets tokens for a code (OAuth 2.1, OpenID Connect Core)."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import jwt
import pytest
from tests.fixtures.apps import (
    CALLBACK,
    App,
    allowed,
    answer_of,
    decided,
    hidden_fields,
    make_app,
    onward,
)
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import own_api
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import OURS, signed_in, text_of

pytestmark = pytest.mark.usefixtures("ada")


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


def claims_of(token: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def test_a_user_signs_in_consents_and_the_app_gets_tokens(
    world: World, app: App, ada: UUID
) -> None:
    async with world.client(**OURS) as browser:
        sent = await onward(browser, await app.send(browser, nonce="n-0S6_WzA2Mj"))
        assert sent.url.path.endswith("/ui/sign-in")
        form = {
            "email": "ada@example.com",
            "password": PASSWORD,
            "return_to": sent.url.params["return_to"],
        }
        page = await onward(browser, await browser.post("/ui/sign-in", data=form))
        assert "Allow Ledger?" in text_of(page)
        assert "app.example.com" in text_of(page)
        answer = answer_of(await decided(browser, page, "allow"))

    assert answer["state"] == "af0ifjsldkj"
    assert answer["iss"] == own_api(world)
    tokens = (await app.exchange(answer["code"])).json()
    assert tokens["token_type"] == "Bearer"
    assert tokens["scope"] == "openid profile email"
    identity = claims_of(tokens["id_token"])
    assert identity["sub"] == str(ada)
    assert identity["aud"] == str(app.id)
    assert identity["nonce"] == "n-0S6_WzA2Mj"
    assert identity["name"] == "Ada"
    assert identity["email"] == "ada@example.com"
    access = claims_of(tokens["access_token"])
    assert access["aud"] == f"{own_api(world)}/oauth2/userinfo"
    assert access["client_id"] == str(app.id)


async def test_consent_is_asked_for_once_and_again_for_more(
    app: App, browser: httpx.AsyncClient
) -> None:
    await app.code(browser)

    again = await app.send(browser)
    more = await onward(browser, await app.send(browser, scope="openid profile email groups"))

    assert "code" in answer_of(again)
    assert "Your roles" in text_of(more)


async def test_who_does_not_allow_it_goes_back_with_an_error(
    app: App, browser: httpx.AsyncClient
) -> None:
    page = await onward(browser, await app.send(browser))

    answer = answer_of(await decided(browser, page, "deny"))

    assert answer["error"] == "access_denied"
    assert answer["state"] == "af0ifjsldkj"
    assert "iss" in answer


async def test_nobody_is_asked_for_a_first_party_app(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_app(world, first_party=True)

    assert "code" in answer_of(await app.send(browser))


async def test_consent_is_never_skipped_for_an_app_on_ones_own_machine(
    world: World, browser: httpx.AsyncClient
) -> None:
    here = "http://127.0.0.1/callback"
    app = await make_app(world, public=True, first_party=True, redirect_uris=(here,))
    asked = {"redirect_uri": "http://127.0.0.1:51004/callback"}

    first = await onward(browser, await app.send(browser, **asked))
    done = await decided(browser, first, "allow")
    second = await onward(browser, await app.send(browser, **asked))

    assert "It runs on this device" in text_of(first)
    assert "http://127.0.0.1:51004/callback?code=" in done.text
    assert "Allow Ledger?" in text_of(second)


UNKNOWN = [
    "https://app.example.com/callback/",
    "https://app.example.com/callback?x=1",
    "https://app.example.com/callback#x",
    "https://app.example.com/Callback",
    "https://app.example.com:443/callback",
    "https://app.example.com.evil.example/callback",
    "https://app.example.com@evil.example/callback",
    "https://user@app.example.com/callback",
    "https://evil.example/callback",
    "http://app.example.com/callback",
    "HTTPS://app.example.com/callback",
    "https://app.example.com/x/../callback",
    "https://app.example.com/%63allback",
    "https://app.example.com\\callback",
    "//app.example.com/callback",
    "javascript:alert(1)",
]


async def test_nobody_is_sent_to_an_address_that_is_not_registered(
    app: App, browser: httpx.AsyncClient
) -> None:
    wrong = [{"redirect_uri": uri} for uri in UNKNOWN]
    wrong += [{"redirect_uri": None}, {"client_id": None}, {"client_id": "x"}]
    wrong += [{"client_id": "00000000-0000-7000-8000-000000000000"}]
    for changes in wrong:
        for further in ({}, {"prompt": "none"}, {"response_type": "token"}, {"scope": "x y"}):
            answer = await app.send(browser, **{**changes, **further})
            assert answer.status_code == 400, (changes, further)
            assert "location" not in answer.headers
            assert "http-equiv" not in answer.text


REFUSED = [
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_type": None}, "invalid_request"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"scope": "openid unknown:scope"}, "invalid_target"),
    ({"scope": None}, "invalid_scope"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"prompt": "sometimes"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "1" * 20}, "invalid_request"),
    ({"nonce": "n" * 513}, "invalid_request"),
    ({"nonce": "\u20ac" * 171}, "invalid_request"),  # 513 bytes
    ({"request": "e30.e30."}, "invalid_request_object"),
    ({"request_uri": "https://app.example.com/r"}, "request_uri_not_supported"),
    ({"resource": "https://unknown.example.com"}, "invalid_target"),
]


async def test_a_wrong_request_is_told_to_the_app(app: App, browser: httpx.AsyncClient) -> None:
    for changes, error in REFUSED:
        answer = answer_of(await app.send(browser, **changes))
        assert answer["error"] == error, changes
        assert answer["state"] == "af0ifjsldkj"
        assert "iss" in answer


async def test_a_parameter_that_stands_twice_is_refused(
    app: App, browser: httpx.AsyncClient
) -> None:
    for name, value in app.query().items():
        params = [*app.query().items(), (name, value)]
        answer = await browser.get("/oauth2/authorize", params=params)
        assert answer.status_code == 400, name
        assert "location" not in answer.headers


async def test_without_a_page_an_app_learns_what_would_have_been_asked(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    async with world.client(**OURS) as stranger:
        unknown = answer_of(await app.send(stranger, prompt="none"))
    asked = answer_of(await app.send(browser, prompt="none"))
    await app.code(browser)
    given = answer_of(await app.send(browser, prompt="none"))

    assert unknown["error"] == "login_required"
    assert asked["error"] == "consent_required"
    assert "code" in given


async def test_an_app_asks_for_a_new_sign_in(
    app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    await app.code(browser)
    clock.advance(5)
    old = answer_of(await app.send(browser, prompt="none", max_age="1"))

    for asked in ({"max_age": "1"}, {"prompt": "login"}):
        clock.advance(5)
        page = await onward(browser, await app.send(browser, **asked))
        assert "Is it you?" in text_of(page)
        going_on = dict(hidden_fields(page)) | {"step-up-password": PASSWORD}
        proven = await browser.post("/ui/step-up", data=going_on)
        answer = answer_of(await onward(browser, proven))
        tokens = (await app.exchange(answer["code"])).json()
        assert claims_of(tokens["id_token"])["auth_time"] == clock.timestamp()

    assert old["error"] == "login_required"


async def test_the_stored_request_wins_over_what_the_browser_says(
    app: App, browser: httpx.AsyncClient
) -> None:
    page = await onward(browser, await app.send(browser))
    form = dict(hidden_fields(page)) | {
        "decision": "allow",
        "redirect_uri": "https://evil.example",
        "client_id": "x",
        "scope": "openid groups offline_access",
    }

    answer = answer_of(await browser.post("/ui/authorize?scope=groups", data=form))

    assert (await app.exchange(answer["code"])).json()["scope"] == "openid profile email"


async def test_a_request_is_answered_once(app: App, browser: httpx.AsyncClient) -> None:
    page = await onward(browser, await app.send(browser))

    first = await decided(browser, page, "allow")
    second = await decided(browser, page, "allow")

    assert "code" in answer_of(first)
    assert second.status_code == 400


async def test_nobody_consents_in_the_name_of_who_has_signed_in_since(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    page = await onward(browser, await app.send(browser))
    await world.make_user("eve@example.com")
    form = {"email": "eve@example.com", "password": PASSWORD}
    await browser.post("/ui/sign-in", data=form)

    answer = await decided(browser, page, "allow")

    assert answer.status_code == 409
    assert 'href="/auth/ui/authorize?request=' in answer.text


async def test_another_site_cannot_press_the_button(app: App, browser: httpx.AsyncClient) -> None:
    page = await onward(browser, await app.send(browser))
    form = dict(hidden_fields(page)) | {"decision": "allow"}

    answer = await browser.post(
        "/ui/authorize", data=form, headers={"Sec-Fetch-Site": "cross-site"}
    )

    assert answer.status_code == 403


async def test_an_app_may_ask_by_a_form_of_its_own(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    await app.code(browser)
    cross_site = {"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example.com"}
    async with world.client(**cross_site) as without_cookie:
        stored = await without_cookie.post("/oauth2/authorize", data=app.query())

    answer = await onward(browser, stored)

    assert "code" in answer_of(answer)


async def test_an_answer_may_come_by_a_form(app: App, browser: httpx.AsyncClient) -> None:
    page = await allowed(browser, await app.send(browser, response_mode="form_post"))

    assert f'action="{CALLBACK}"' in page.text
    assert "form-action https://app.example.com" in page.headers["content-security-policy"]
    assert {"code", "state", "iss"} <= dict(hidden_fields(page)).keys()


async def test_an_app_chooses_the_language_of_the_pages(world: World, app: App) -> None:
    async with world.client(**OURS) as stranger:
        page = await onward(stranger, await app.send(stranger, ui_locales="fr-CA ru-RU en"))

    assert '<html lang="ru">' in page.text


async def test_an_app_asks_for_a_factor_of_who_has_one(
    app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    clock.advance(5)
    page = await onward(browser, await app.send(browser, acr_values="aal2 aal1"))
    going_on = dict(hidden_fields(page)) | {"step-up-password": PASSWORD}

    answer = await allowed(browser, await browser.post("/ui/step-up", data=going_on))

    assert "Is it you?" in text_of(page)
    assert "code" in answer_of(answer)  # it is voluntary: she has none


async def test_a_stored_request_is_small_whatever_is_sent(world: World, app: App) -> None:
    async with world.client(**OURS) as stranger:
        await app.send(stranger, login_hint="a" * 20_000, nonce="n" * 512, state="s" * 2048)

    stored = await world.db.fetchval(
        "SELECT max(pg_column_size(asked::text)) FROM authorization_requests"
    )
    assert 2000 < stored < 4096
