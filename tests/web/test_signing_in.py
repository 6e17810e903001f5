"""Signing in through the page: a cookie, from our own pages alone, replaced when rights change."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import PASSWORD, World

from keyfob.authority.models import Role
from keyfob.settings import Settings

OURS = {"Sec-Fetch-Site": "same-origin"}
COOKIE = "keyfob-http"


@pytest.fixture
async def page(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser, as far as requests go."""
    async with world.client(**OURS) as browser:
        yield browser


async def sign_in(
    page: httpx.AsyncClient, email: str = "ada@example.com", **fields: str
) -> httpx.Response:
    form = {"email": email, "password": PASSWORD, **fields}
    return await page.post("/ui/sign-in", data=form)


async def test_a_right_password_gives_a_cookie_and_leads_on(
    world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()

    answer = await sign_in(page, return_to="/auth/ui/sign-out?a=1#b")

    assert answer.status_code == 303
    assert answer.headers["location"] == (
        "/auth/ui/signed-in?return_to=%2Fauth%2Fui%2Fsign-out%3Fa%3D1%23b"
    )
    cookie = next(one for one in answer.headers.get_list("set-cookie") if COOKIE + "=" in one)
    assert "; HttpOnly" in cookie
    assert "; SameSite=Lax" in cookie
    on = await page.get(answer.headers["location"].removeprefix("/auth"))
    assert on.headers["location"] == "/auth/ui/sign-out?a=1#b"
    row = await world.db.fetchrow("SELECT kind, ended_at FROM sessions")
    assert (row["kind"], row["ended_at"]) == ("browser", None)


async def test_a_wrong_password_keeps_the_address_and_the_way_on(
    world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()

    answer = await page.post(
        "/ui/sign-in",
        data={"email": "ada@example.com", "password": "wrong", "return_to": "/auth/ui/x"},
    )

    assert answer.status_code == 401
    assert 'value="ada@example.com"' in answer.text
    assert 'value="/auth/ui/x"' in answer.text
    assert "wrong" not in re.sub(r"<[^>]*>", "", answer.text).replace("is wrong", "")
    assert COOKIE not in page.cookies


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8001"},
        {"Origin": "https://evil.example"},
        {},
    ],
)
async def test_no_other_site_signs_anybody_in_or_out(
    world: World, page: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await world.make_user()
    await sign_in(page)
    async with world.client(**headers) as other:
        other.cookies = page.cookies
        entered = await sign_in(other)
        left = await other.post("/ui/sign-out")

    assert (entered.status_code, left.status_code) == (403, 403)
    assert await world.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 1


async def test_an_old_browser_says_its_origin(world: World) -> None:
    await world.make_user()
    async with world.client(Origin="http://localhost:8000") as browser:
        assert (await sign_in(browser)).status_code == 303


@pytest.mark.parametrize(
    "target",
    [
        "//e.vil",
        "/\\e.vil",
        "/\t/e.vil",
        "https:e.vil",
        "https://e.vil",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://localhost:8000@e.vil/",
        "http:///e.vil",
        "x" * 3000,
    ],
)
async def test_no_way_on_leads_to_somebody_else(
    world: World, page: httpx.AsyncClient, target: str
) -> None:
    await world.make_user()

    answer = await sign_in(page, return_to=target)
    on = await page.get("/ui/signed-in", params={"return_to": target})

    assert answer.headers["location"] == "/auth/ui/signed-in"
    assert on.headers["location"] == "/auth/ui/account"


async def test_a_sign_out_ends_the_session_and_its_cookie(
    world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    await sign_in(page)
    kept = page.cookies[COOKIE]

    answer = await page.post("/ui/sign-out")

    assert answer.headers["clear-site-data"] == '"cache"'
    assert COOKIE not in page.cookies
    page.cookies.set(COOKIE, kept)
    again = await page.get("/ui/sign-out")
    assert again.headers["location"].startswith("/auth/ui/sign-in")
    assert await world.db.fetchval("SELECT end_reason FROM sessions") == "logout"


async def test_a_new_role_brings_a_new_cookie_and_the_old_one_ends(
    world: World, page: httpx.AsyncClient, clock: MovableClock
) -> None:
    user_id = await world.make_user()
    await world.make_user("root@example.com", role=Role.ADMIN)
    await sign_in(page)
    before = page.cookies[COOKIE]
    root = await world.log_in("root@example.com")
    told = {"role": "moderator"}
    changed = await world.api.patch(f"/admin/users/{user_id}", json=told, headers=root.headers)
    assert changed.status_code == 200

    answer = await page.get("/ui/sign-out")

    assert answer.status_code == 200
    after = page.cookies[COOKIE]
    assert after != before
    async with world.client(**OURS) as other:
        other.cookies.set(COOKIE, before)
        assert (await other.get("/ui/sign-out")).status_code == 200  # another tab, for a moment
        clock.advance(11)
        other.cookies = httpx.Cookies({COOKIE: before})
        assert (await other.get("/ui/sign-out")).status_code == 303
    assert (await page.get("/ui/sign-out")).status_code == 200


async def test_a_new_sign_in_ends_the_session_that_the_browser_had(
    world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    await sign_in(page)
    first = page.cookies[COOKIE]

    await sign_in(page)

    assert page.cookies[COOKIE] != first
    assert await world.db.fetchval("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 1


async def test_a_cookie_is_no_token_and_a_token_no_cookie(
    world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    await sign_in(page)
    own = await world.log_in()
    cookie = page.cookies[COOKIE]

    refreshed = await world.api.post("/refresh", json={"token": cookie})
    as_refresh = await world.api.post(
        "/refresh", json={"token": "kfr_" + cookie.removeprefix("kfb_")}
    )
    for value in (own.access, own.refresh, "kfb_" + own.refresh.removeprefix("kfr_"), cookie[:-1]):
        page.cookies = httpx.Cookies({COOKIE: value})
        assert (await page.get("/ui/sign-out")).status_code == 303

    assert (refreshed.status_code, as_refresh.status_code) == (401, 401)


async def test_the_api_takes_no_cookie_and_a_page_no_token(
    world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    await sign_in(page)
    own = await world.log_in()

    assert (await page.get("/me")).status_code == 401
    assert (await world.api.get("/ui/sign-out", headers=own.headers)).status_code == 303


async def test_of_two_cookies_of_one_name_none_is_believed(
    world: World, page: httpx.AsyncClient
) -> None:
    await world.make_user()
    await sign_in(page)
    value = page.cookies[COOKIE]
    page.cookies.clear()

    answer = await page.get("/ui/sign-out", headers={"Cookie": f"{COOKIE}={value}; {COOKIE}=x"})

    assert answer.status_code == 303


async def test_every_page_tells_browsers_to_be_careful(
    world: World, page: httpx.AsyncClient
) -> None:
    for path in ("/ui/sign-in", "/ui/nowhere", "/console/nowhere"):
        answer = await page.get(path)
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "script-src 'self';" in policy
        assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("base", "name", "secure"),
    [("https://id.example.com", "__Host-keyfob", True), ("http://localhost:8000", COOKIE, False)],
)
async def test_over_https_the_cookie_is_of_this_host_alone(
    settings: Settings, clock: MovableClock, base: str, name: str, *, secure: bool
) -> None:
    """Threat: a page on a neighbour's host, or on the way, sets a cookie of the same name."""
    told = settings.model_copy(update={"public_url": f"{base}/auth"})
    async with World(told, clock) as world, world.client(**OURS) as browser:
        await world.make_user()
        answer = await sign_in(browser)

    cookies = [one for one in answer.headers.get_list("set-cookie") if "HttpOnly" in one]
    assert name in {one.partition("=")[0] for one in cookies}
    for cookie in cookies:
        assert cookie.startswith("__Host-") is secure
        parts = {part.strip() for part in cookie.split(";")[1:]}
        assert {"Path=/", "SameSite=Lax"} <= parts  # RFC 6265bis section 4.1.3.2
        assert ("Secure" in parts) is secure
        assert not any(part.startswith("Domain") for part in parts)
