"""An app sends its user here to sign out (OpenID Connect RP-Initiated Logout 1.0).

The names follow the modules of the OpenID Foundation's plan for it.
"""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import jwt
import pytest
from tests.fixtures.apps import App, make_app, onward
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import Program, own_api
from tests.fixtures.world import World
from tests.web.account_pages import OURS, signed_in, text_of

AFTER = "https://app.example.com/signed-out"
STATE = "s-1&x=2"
CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}

pytestmark = pytest.mark.usefixtures("ada")


@pytest.fixture
async def ada(world: World) -> UUID:
    await world.make_user("eve@example.com")
    return await world.make_user(name="Ada")


@pytest.fixture
async def app(world: World) -> App:
    return await make_app(world, post_logout_redirect_uris=(AFTER,))


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with Ada's session."""
    async with signed_in(world) as browser:
        yield browser


@pytest.fixture
async def tokens(app: App, browser: httpx.AsyncClient) -> dict[str, str]:
    """What the app got in that session."""
    return await app.tokens(browser)


@pytest.fixture
def hint(tokens: dict[str, str]) -> str:
    return tokens["id_token"]


async def send(browser: httpx.AsyncClient, **asked: str) -> httpx.Response:
    """Send the user here by a link of another site, and follow our own redirects."""
    answer = await browser.get("/oauth2/logout", params=asked, headers=CROSS_SITE)
    return await onward(browser, answer)


async def is_signed_in(browser: httpx.AsyncClient) -> bool:
    return (await browser.get("/ui/account")).status_code == 200


async def press(browser: httpx.AsyncClient, page: httpx.Response) -> httpx.Response:
    """Press the button of the page that asks, and follow our own redirects."""
    found = re.search(r'name="request" value="([^"]*)"', page.text)
    assert found, page.text
    return await onward(browser, await browser.post("/ui/logout", data={"request": found[1]}))


async def test_it_is_in_the_metadata(world: World) -> None:
    told = (await world.api.get("/.well-known/openid-configuration")).json()

    assert told["end_session_endpoint"] == f"{own_api(world)}/oauth2/logout"


async def test_the_session_ends_with_its_grants_and_the_browser_goes_back(
    world: World, app: App, browser: httpx.AsyncClient, tokens: dict[str, str], hint: str
) -> None:
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await world.api.get("/oauth2/userinfo", headers=bearer)).status_code == 200

    answer = await send(browser, id_token_hint=hint, post_logout_redirect_uri=AFTER, state=STATE)

    assert answer.status_code == 303
    target = urlsplit(answer.headers["location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == AFTER
    assert parse_qs(target.query) == {"state": [STATE]}
    assert not await is_signed_in(browser)
    assert (await world.api.get("/oauth2/userinfo", headers=bearer)).status_code == 401
    assert (await app.refresh(tokens["refresh_token"])).status_code == 400
    assert "logout" in [row["reason"] for row in await world.login_log()]


async def test_an_app_may_name_its_host_alone(world: World, browser: httpx.AsyncClient) -> None:
    """Argo CD and Nextcloud do: their address, without a slash behind it."""
    bare = "https://app.example.com"
    app = await make_app(world, post_logout_redirect_uris=(bare,))
    hint = (await app.tokens(browser))["id_token"]

    slash = await send(browser, id_token_hint=hint, post_logout_redirect_uri=f"{bare}/")
    assert slash.status_code == 400
    answer = await send(browser, id_token_hint=hint, post_logout_redirect_uri=bare, state="abc")

    assert answer.status_code == 303
    assert answer.headers["location"] == f"{bare}?state=abc"


async def test_a_grant_with_offline_access_goes_on(app: App, browser: httpx.AsyncClient) -> None:
    tokens = await app.tokens(browser, scope="openid offline_access")

    await send(browser, id_token_hint=tokens["id_token"])

    assert not await is_signed_in(browser)
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200


async def test_a_hint_may_have_expired(
    browser: httpx.AsyncClient, hint: str, clock: MovableClock
) -> None:
    clock.advance(7200)

    answer = await send(browser, id_token_hint=hint, post_logout_redirect_uri=AFTER)

    assert answer.headers["location"] == AFTER
    assert not await is_signed_in(browser)


async def test_without_a_place_to_return_to_a_page_says_it(
    app: App, browser: httpx.AsyncClient, hint: str
) -> None:
    answer = await send(browser, id_token_hint=hint, state=STATE, client_id=str(app.id))

    assert answer.status_code == 200
    assert "You are signed out" in text_of(answer)
    assert STATE not in html.unescape(answer.text)
    assert not await is_signed_in(browser)


@pytest.mark.parametrize("asked", [{}, {"state": STATE}, {"logout_hint": "ada@example.com"}])
async def test_without_a_hint_the_user_is_asked(
    browser: httpx.AsyncClient, asked: dict[str, str]
) -> None:
    page = await send(browser, **asked)

    assert (page.status_code, await is_signed_in(browser)) == (200, True)
    assert "You are signed in as ada@example.com" in text_of(page)
    done = await press(browser, page)
    assert "You are signed out" in text_of(done)
    assert not await is_signed_in(browser)


async def test_without_a_hint_an_app_is_returned_to_after_the_question(
    app: App, browser: httpx.AsyncClient
) -> None:
    page = await send(browser, client_id=str(app.id), post_logout_redirect_uri=AFTER, state="abc")
    assert "Ledger asks whether to sign you out here" in text_of(page)

    done = await press(browser, page)

    assert f'content="0;url={AFTER}?state=abc"' in done.text
    assert not await is_signed_in(browser)
    async with app.world.client(**OURS) as stranger:
        nobody = await send(stranger, client_id=str(app.id), post_logout_redirect_uri=AFTER)
        assert nobody.status_code == 200
        assert f'href="{AFTER}"' in nobody.text


def changed(token: str, **claims: str) -> str:
    """Return an ID token with other claims under the old signature."""
    head, _, signature = token.split(".")
    told = jwt.decode(token, options={"verify_signature": False}) | claims
    body = jwt.encode(told, "k" * 32, algorithm="HS256").split(".")[1]
    return f"{head}.{body}.{signature}"


async def test_a_modified_or_foreign_hint_never_redirects(
    world: World, app: App, browser: httpx.AsyncClient, tokens: dict[str, str]
) -> None:
    other = await make_app(world, name="Wiki", post_logout_redirect_uris=(AFTER,))
    hint, claims = (
        tokens["id_token"],
        jwt.decode(tokens["id_token"], options={"verify_signature": False}),
    )
    for wrong in (
        {"id_token_hint": "nonsense"},
        {"id_token_hint": hint[:-4]},
        {"id_token_hint": changed(hint, sub=claims["sub"][::-1])},
        {"id_token_hint": jwt.encode(claims, "k" * 32, algorithm="HS256")},
        {"id_token_hint": jwt.encode(claims, None, algorithm="none")},
        {"id_token_hint": tokens["access_token"]},
        {"id_token_hint": hint, "client_id": str(other.id)},
        {"id_token_hint": changed(hint, aud=str(other.id)), "client_id": str(other.id)},
        {"client_id": "nobody"},
        {},
    ):
        page = await send(browser, post_logout_redirect_uri=AFTER, state=STATE, **wrong)
        assert page.status_code == 400, wrong
        assert "you will not be led back" in text_of(page)
        assert await is_signed_in(browser), wrong
        assert AFTER not in page.text
    assert AFTER not in (await press(browser, page)).text
    assert not await is_signed_in(browser)


async def test_a_place_that_is_not_registered_is_never_returned_to(
    browser: httpx.AsyncClient, app: App, hint: str
) -> None:
    for place in (
        AFTER + "/",
        AFTER + "?query=added",
        AFTER + "#x",
        AFTER.replace("https", "http"),
        AFTER.replace("app.", "app.example.com@evil."),
        AFTER.upper(),
        "https://app.example.com/callback",
        "https://evil.example/",
        "//evil.example/",
        "javascript:alert(1)",
    ):
        page = await send(browser, id_token_hint=hint, post_logout_redirect_uri=place)
        assert page.status_code == 400, place
        assert html.escape(place) not in page.text
        assert await is_signed_in(browser), place
    async with app.world.client(**OURS) as stranger:
        nobody = await send(stranger, id_token_hint=hint, post_logout_redirect_uri=place)
        assert (nobody.status_code, "location" in nobody.headers) == (400, False)


async def test_another_user_and_another_session_are_asked(
    world: World, browser: httpx.AsyncClient, hint: str
) -> None:
    for email in ("eve@example.com", "ada@example.com"):
        async with signed_in(world, email) as other:
            page = await send(other, id_token_hint=hint, post_logout_redirect_uri=AFTER)
            assert "Sign out?" in text_of(page)
            assert f"You are signed in as {email}" in text_of(page)
            assert await is_signed_in(other)
            assert AFTER in html.unescape((await press(other, page)).text)
    assert await is_signed_in(browser)


async def test_whoever_is_signed_out_already_goes_back_at_once(world: World, hint: str) -> None:
    async with world.client(**OURS) as stranger:
        answer = await send(stranger, id_token_hint=hint, post_logout_redirect_uri=AFTER)

    assert answer.headers["location"] == AFTER


async def test_a_form_of_another_site_is_stored_and_answered_by_a_get_of_ours(
    world: World, browser: httpx.AsyncClient, hint: str
) -> None:
    form = {"id_token_hint": hint, "post_logout_redirect_uri": AFTER, "state": "abc"}
    async with world.client(**CROSS_SITE) as without_cookie:
        stored = await without_cookie.post("/oauth2/logout", data=form)
    assert stored.status_code == 303
    assert stored.headers["location"].startswith("/auth/ui/logout?request=")
    assert hint not in stored.headers["location"]
    assert await is_signed_in(browser)

    answer = await onward(browser, stored)

    assert answer.headers["location"] == f"{AFTER}?state=abc"
    assert not await is_signed_in(browser)
    assert await world.db.fetchval("SELECT count(*) FROM logout_requests") == 0


@pytest.mark.parametrize("loss", ["its place", "its registration"])
async def test_a_place_that_an_app_has_lost_meanwhile_is_not_gone_to(
    world: World,
    app: App,
    browser: httpx.AsyncClient,
    clock: MovableClock,
    hint: str,
    loss: str,
) -> None:
    """Threat: the place is somebody else's by now, who has stored requests before."""
    form = {"id_token_hint": hint, "post_logout_redirect_uri": AFTER}
    async with world.client(**CROSS_SITE) as without_cookie:
        stored = await without_cookie.post("/oauth2/logout", data=form)
    program = Program(world, app.id, app.secret or "")
    if loss == "its place":
        await program.change(revokes=False, post_logout_redirect_uris=())
    else:
        await program.change(revokes=True, disabled_at=clock.now())

    page = await onward(browser, stored)

    assert page.status_code == 400
    assert AFTER not in page.text
    assert await is_signed_in(browser)


async def test_what_is_stored_goes_after_an_hour(
    world: World, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    page = await browser.post("/oauth2/logout", data={"client_id": "x"}, headers=CROSS_SITE)
    clock.advance(3601)
    async with signed_in(world) as later:
        asked = await onward(later, page)
        assert asked.status_code == 200
        assert "Sign out?" in text_of(asked)


async def test_nothing_is_said_twice_and_nothing_hostile_breaks_it(
    browser: httpx.AsyncClient,
) -> None:
    twice = await browser.get("/oauth2/logout?state=a&state=b")
    controls = await browser.get("/oauth2/logout?state=a%0d%0aSet-Cookie:x")
    large = await browser.get("/oauth2/logout", params={"id_token_hint": "e" * 9000})
    long = await send(browser, state="x" * 3000)
    both = await browser.post("/oauth2/logout?state=a", data={"state": "b"}, headers=CROSS_SITE)

    assert (twice.status_code, controls.status_code, both.status_code) == (400, 400, 400)
    assert (large.status_code, long.status_code) == (303, 400)
    assert await is_signed_in(browser)


async def test_a_form_of_another_site_cannot_press_the_button(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/ui/logout", data={"request": ""}, headers=CROSS_SITE)

    assert answer.status_code == 403
    assert await is_signed_in(browser)


async def test_the_page_speaks_the_language_that_the_app_asks_for(
    browser: httpx.AsyncClient,
) -> None:
    page = await send(browser, ui_locales="xx ru-RU en")

    assert "Выйти?" in text_of(page)


async def test_a_refresh_at_the_same_moment_outlives_no_sign_out(
    app: App, browser: httpx.AsyncClient, tokens: dict[str, str], hint: str
) -> None:
    refreshes = [app.refresh(tokens["refresh_token"]) for _ in range(8)]
    *given, _ = await asyncio.gather(*refreshes, send(browser, id_token_hint=hint))

    for one in (answer.json() for answer in given if answer.status_code == 200):
        bearer = {"Authorization": f"Bearer {one['access_token']}"}
        assert (await app.world.api.get("/oauth2/userinfo", headers=bearer)).status_code == 401
        assert (await app.refresh(one["refresh_token"])).status_code == 400


async def test_a_code_at_the_same_moment_outlives_no_sign_out(
    app: App, browser: httpx.AsyncClient, hint: str
) -> None:
    codes = [await app.code(browser) for _ in range(8)]
    exchanges = [app.exchange(code) for code in codes]
    *given, _ = await asyncio.gather(*exchanges, send(browser, id_token_hint=hint))

    assert {answer.status_code for answer in given} <= {200, 400}
    for one in (answer.json() for answer in given if answer.status_code == 200):
        bearer = {"Authorization": f"Bearer {one['access_token']}"}
        assert (await app.world.api.get("/oauth2/userinfo", headers=bearer)).status_code == 401
        assert (await app.refresh(one["refresh_token"])).status_code == 400
    live = "SELECT count(*) FROM sessions WHERE ended_at IS NULL AND kind = 'app'"
    assert await app.world.db.fetchval(live) == 0
