"""Swagger UI and ReDoc, served by the service itself under a strict policy."""

import re

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World

from keyfob.settings import Settings

PAGES = ["/docs", "/redoc"]


def assets_of(html: str) -> list[str]:
    return re.findall(r'(?:src|href|data-schema)="([^"]+)"', html)


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_takes_everything_from_us(world: World, page: str) -> None:
    html = await world.api.get(f"/auth{page}")

    assert html.status_code == 200
    assert html.headers["content-type"].startswith("text/html")
    assets = assets_of(html.text)
    assert len(assets) >= 4
    for asset in assets:
        assert asset.startswith("/auth/")
        answer = await world.api.get(asset)
        assert answer.status_code == 200, asset
        assert len(answer.content) > 100, asset
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_runs_only_scripts_of_ours(world: World, page: str) -> None:
    html = await world.api.get(page)

    policy = dict(
        directive.strip().split(" ", 1)
        for directive in html.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["object-src"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert "http" not in html.headers["content-security-policy"]
    assert re.findall(r"<script(?![^>]*\ssrc=)", html.text) == []
    assert re.findall(r"\son\w+=", html.text) == []
    assert html.headers["cross-origin-opener-policy"] == "same-origin"
    assert html.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_asks_nobody_else(world: World, page: str) -> None:
    start = f"start-{'swagger' if page == '/docs' else 'redoc'}.js"
    html = (await world.api.get(page)).text + (await world.api.get(f"/docs/{start}")).text

    assert (
        re.findall(r"(?:https?:)?//[a-z]", re.sub(r"^\s*//.*$", "", html, flags=re.MULTILINE)) == []
    )


async def test_the_page_hands_a_sign_in_to_its_authorize_button(world: World) -> None:
    script = (await world.api.get("/docs/start-swagger.js")).text
    scheme = world.app.openapi()["components"]["securitySchemes"]

    (name,) = re.findall(r'preauthorizeApiKey\("(\w+)"', script)
    assert scheme[name] == {**scheme[name], "type": "http", "scheme": "bearer"}
    assert re.search(r"validatorUrl: null", script)


@pytest.mark.parametrize(
    ("switch", "gone", "there"), [("docs", "/docs", "/redoc"), ("redoc", "/redoc", "/docs")]
)
async def test_each_page_can_be_switched_off(
    settings: Settings, clock: MovableClock, switch: str, gone: str, there: str
) -> None:
    async with World(settings.model_copy(update={switch: False}), clock) as world:
        assert (await world.api.get(gone)).status_code == 404
        page = await world.api.get(there)
        assert page.status_code == 200
        for asset in assets_of(page.text):
            assert (await world.api.get(asset)).status_code == 200
        assert (await world.api.get("/")).json()["docs"] == (
            None if gone == "/docs" else "/auth/docs"
        )


async def test_with_both_off_no_asset_is_served(settings: Settings, clock: MovableClock) -> None:
    off = settings.model_copy(update={"docs": False, "redoc": False})
    async with World(off, clock) as world:
        for path in ("/docs", "/redoc", "/docs/swagger-ui.css", "/docs/start-redoc.js"):
            assert (await world.api.get(path)).status_code == 404


async def test_pages_follow_the_root_path(settings: Settings, clock: MovableClock) -> None:
    async with World(settings.model_copy(update={"root_path": "/sign/in"}), clock) as world:
        html = (await world.api.get("/sign/in/docs")).text

        assert all(asset.startswith("/sign/in/") for asset in assets_of(html))


@pytest.mark.parametrize(
    "path",
    ["/docs/../../settings.py", "/docs/..%2f..%2fapp.py", "/docs/swagger-ui.css/x", "/docs/x"],
)
async def test_nothing_else_is_served_from_the_folder(world: World, path: str) -> None:
    assert (await world.api.get(path)).status_code == 404
