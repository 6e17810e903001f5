"""An app in a browser calls the token endpoint from the origin of its redirect URIs, and no other.

Fetch standard, section 3.2. An unknown origin costs no query: all are in memory.
"""

from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import VERIFIER, App, make_app
from tests.fixtures.programs import Program
from tests.fixtures.statements import recorded_statements
from tests.fixtures.waiting import until
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.clients.service import Clients
from keyfob.core.clock import Clock

ORIGIN = "https://app.example.com"
PATHS = ("/oauth2/token", "/auth/oauth2/token", "/oauth2/revoke", "/oauth2/par")
# What a browser sends for a form that a page's script posts.
FETCHED = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


@pytest.fixture
async def ada(world: World) -> UUID:
    return await world.make_user(name="Ada")


@pytest.fixture
async def app(world: World) -> App:
    app = await make_app(world, public=True)
    await until(lambda: is_let_in(world, ORIGIN))
    return app


async def ask(world: World, origin: str, path: str = "/oauth2/token") -> httpx.Response:
    """Ask as a browser does before a request that is not simple."""
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    return await world.client(Origin=origin, **FETCHED).options(path, headers=asks)


async def is_let_in(world: World, origin: str) -> bool:
    answer = await ask(world, origin)
    allowed = answer.headers.get("access-control-allow-origin")
    assert allowed in {None, origin}
    assert (answer.status_code == 204) == (allowed == origin)
    return allowed is not None


async def is_kept_out(world: World, origin: str) -> bool:
    return not await is_let_in(world, origin)


def granted(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if "access-control" in name}


async def test_its_page_exchanges_a_code_refreshes_and_revokes(
    world: World, app: App, ada: UUID
) -> None:
    page = world.client(Origin=ORIGIN, **FETCHED)
    async with signed_in(world) as browser:
        code = await app.code(browser)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
    named = {"client_id": str(app.id)}

    first = await page.post("/oauth2/token", data=form | named)
    refresh = {"grant_type": "refresh_token", "refresh_token": first.json()["refresh_token"]}
    second = await page.post("/oauth2/token", data=refresh | named)
    bearer = {"Authorization": f"Bearer {second.json()['access_token']}"}
    told = await page.get("/oauth2/userinfo", headers=bearer)
    revoked = await page.post(
        "/oauth2/revoke", data={"token": second.json()["refresh_token"], **named}
    )
    refused = await page.post("/oauth2/token", data=refresh | named)

    answers = [first, second, revoked, refused]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400]
    assert told.json()["sub"] == str(ada)
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "WWW-Authenticate" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers.get_list("vary", split_commas=True)


@pytest.mark.usefixtures("app")
async def test_a_preflight_passes_and_promises_no_credentials(world: World) -> None:
    for path in PATHS:
        answer = await ask(world, ORIGIN, path)

        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "authorization" in answer.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers.get_list("vary", split_commas=True)


OTHERS = [
    "null",
    "*",
    "",
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://app.example.com:444",
    "http://app.example.com",
    "HTTPS://APP.EXAMPLE.COM",
    "https://app.example.com/",
    "https://app.example.com https://evil.example",
    "http://127.0.0.1:3000",
    "http://localhost",
]


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("origin", OTHERS)
async def test_any_other_origin_gets_nothing(world: World, origin: str) -> None:
    page = world.client(Origin=origin, **FETCHED)
    for path in PATHS:
        asked, sent = await ask(world, origin, path), await page.post(path, data={"token": "x"})

        assert granted(asked) == granted(sent) == {}
        assert (asked.status_code, sent.status_code) == (405, 400)
        assert "Origin" in sent.headers.get_list("vary", split_commas=True)


@pytest.mark.usefixtures("app")
async def test_an_origin_costs_no_query_known_or_not(world: World) -> None:
    with recorded_statements() as statements:
        for number in range(5):
            assert not await is_let_in(world, f"https://evil-{number}.example")
        assert await is_let_in(world, ORIGIN)

    assert statements == []


async def test_nothing_else_answers_its_origin(world: World, app: App) -> None:
    page = world.client(Origin=ORIGIN, **FETCHED)
    for path in ("/oauth2/authorize", "/oauth2/introspect", "/me", "/login", "/ui/sign-in"):
        assert granted(await ask(world, ORIGIN, path)) == {}, path
        assert granted(await page.get(path, params=app.query())) == {}, path
        assert granted(await page.post(path)) == {}, path


async def test_two_origins_at_once_get_nothing(world: World, app: App) -> None:
    both = [("Origin", ORIGIN), ("Origin", "https://evil.example")]

    assert granted(await world.api.post("/oauth2/token", headers=both)) == {}


@pytest.mark.parametrize(
    ("uri", "origin"),
    [
        ("https://app.example.com:8443/callback", "https://app.example.com:8443"),
        ("https://app.example.com:443/callback", "https://app.example.com"),
        ("http://localhost/callback", "http://localhost:5173"),
        ("http://127.0.0.1:3000/callback", "http://127.0.0.1:3000"),
        ("http://127.0.0.1:3000/callback", "http://127.0.0.1:3001"),
        ("http://[::1]:80/callback", "http://[::1]"),
    ],
)
async def test_an_origin_is_compared_as_browsers_write_it(
    world: World, uri: str, origin: str
) -> None:
    await make_app(world, public=True, redirect_uris=(uri,))

    await until(lambda: is_let_in(world, origin))
    assert not await is_let_in(world, "null")


async def test_apps_with_a_secret_do_not_call_from_pages(world: World) -> None:
    await make_app(world)
    await make_app(world, public=True, redirect_uris=("https://spa.example.com/callback",))

    await until(lambda: is_let_in(world, "https://spa.example.com"))
    assert not await is_let_in(world, ORIGIN)


async def test_every_worker_hears_of_apps_that_come_change_and_go(
    world: World, other: World, app: App
) -> None:
    program, moved = Program(world, app.id, ""), "https://new.example.com"
    await until(lambda: is_let_in(other, ORIGIN))

    await program.change(redirect_uris=(f"{moved}/callback",))
    for worker in (world, other):
        await until(lambda worker=worker: is_let_in(worker, moved))
        await until(lambda worker=worker: is_kept_out(worker, ORIGIN))

    await program.change(disabled_at=world.service(Clock).now())
    for worker in (world, other):
        await until(lambda worker=worker: is_kept_out(worker, moved))

    await program.change(disabled_at=None)
    for worker in (world, other):
        await until(lambda worker=worker: is_let_in(worker, moved))

    clients = world.service(Clients)
    async with world.db.begin() as tx:
        client = await clients.lock(tx, app.id)
        assert client is not None
        await clients.remove(tx, client)
    for worker in (world, other):
        await until(lambda worker=worker: is_kept_out(worker, moved))
