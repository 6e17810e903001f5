"""A page of another site uses up no limit of the person who has it open."""

from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import httpx
import pytest
from tests.abuse.test_authority_of_routes import operations_of, url_of
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World

from keyfob.settings import Settings

APP = "https://app.example.com"
EVIL = "https://evil.example"
OPTIONS = "/login/passkey/options"
CHANGING = {"POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture
async def world(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """A service with limits, which lets the pages of one origin in."""
    told = settings.model_copy(update={"limits": "on", "cors_origins": [APP]})
    async with World(told, clock) as world:
        yield world


def browser(world: World, origin: str, site: str, mode: str = "no-cors") -> httpx.AsyncClient:
    """Return a client that sends what a browser sends for a page's request without a preflight."""
    return world.client(**{"Origin": origin, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode})


async def test_none_of_its_requests_is_counted(world: World) -> None:
    page = browser(world, EVIL, "cross-site")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    bodies: list[dict[str, Any]] = [{}, {"content": b"a=b", "headers": form}]

    for method, path in sorted(operations_of(world.app)):
        if method in CHANGING:
            for sent in bodies:
                answer = await page.request(method, url_of(path), **sent)
                # Where a token alone opens what any page may read, its absence is told.
                refused = 401 if path == "/oauth2/userinfo" else 400
                got = (answer.status_code, answer.headers.get("ratelimit"))
                assert got == (refused, None), path

    assert await world.db.fetchval("SELECT count(*) FROM attempts") == 0
    assert await world.db.fetchval("SELECT count(*) FROM webauthn_challenges") == 0


async def test_no_other_origin_begins_a_sign_in(world: World) -> None:
    origins = [EVIL, "null", "https://other.example.com"]
    modes = ["no-cors", "cors", "navigate"]

    for origin, site, mode in product(origins, ["cross-site", "same-site"], modes):
        answer = await browser(world, origin, site, mode).post(OPTIONS)
        assert (answer.status_code, answer.json().get("code")) == (400, "bad_request"), origin


async def test_named_origins_and_the_own_one_do(world: World) -> None:
    for origin, site in ((APP, "cross-site"), (APP, "same-site"), (EVIL, "same-origin")):
        answer = await browser(world, origin, site, "cors").post(OPTIONS)
        assert answer.status_code == 200, site


async def test_programs_and_old_browsers_say_nothing_of_sites(world: World) -> None:
    assert (await world.client().post(OPTIONS)).status_code == 200
    assert (await world.client(Origin=EVIL).post(OPTIONS)).status_code == 200


async def test_links_from_other_sites_are_followed(world: World) -> None:
    page = browser(world, EVIL, "cross-site", "navigate")

    assert (await page.get("/ui/recover")).status_code == 200
    assert (await page.get("/health/live")).status_code == 200
