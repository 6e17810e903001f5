"""Pages of other origins may read responses only if their origin is named exactly."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import PASSWORD, World

from keyfob.settings import Settings, WrongSetting, load_settings

APP = "https://app.example.com"
ASKS = {
    "Access-Control-Request-Method": "DELETE",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.fixture
async def world(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """A service that lets two origins in."""
    told = settings.model_copy(update={"cors_origins": [APP, "http://localhost:3000"]})
    async with World(told, clock) as world:
        yield world


def granted(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if "access-control" in name}


async def test_a_named_origin_reads_answers_and_refusals_alike(world: World) -> None:
    await world.make_user()
    user = await world.log_in()
    browser = world.client(Origin=APP)
    answers = [
        await browser.get("/me", headers=user.headers),
        await browser.get("/auth/me/sessions", headers=user.headers),
        await browser.post("/refresh", json={"token": user.refresh}),
        await browser.post("/login", json={"email": "ada@example.com", "password": PASSWORD}),
        await browser.get("/me"),
        await browser.get("/nothing"),
        await browser.get("/me?access_token=x"),
        await browser.post("/login", content=b"x" * 70_000),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 401, 404, 400, 413]
    for answer in answers:
        assert answer.headers.get("access-control-allow-origin") == APP
        given = granted(answer)
        exposed = given.pop("access-control-expose-headers").split(", ")
        assert given == {"access-control-allow-origin": APP}  # and never credentials
        assert {"WWW-Authenticate", "Retry-After", "X-Request-ID", "Link"} <= set(exposed)
        assert "Origin" in answer.headers.get_list("vary", split_commas=True)


async def test_a_preflight_is_answered_before_anything_else(
    settings: Settings, clock: MovableClock
) -> None:
    told = settings.model_copy(
        update={"cors_origins": [APP], "limits": "on", "limit_logout": "1/hour"}
    )
    async with World(told, clock) as world:
        for path in ("/logout", "/auth/logout/", "/me", "/refresh", "/admin/users"):
            for _ in range(3):
                answer = await world.client(Origin=APP).options(path, headers=ASKS)
                assert answer.status_code == 204
                assert answer.content == b""
                assert granted(answer)["access-control-allow-origin"] == APP
                assert "DELETE" in granted(answer)["access-control-allow-methods"]
                assert "authorization" in granted(answer)["access-control-allow-headers"]
                assert int(granted(answer)["access-control-max-age"]) > 0
                assert "access-control-allow-credentials" not in answer.headers
                assert "access-control-allow-private-network" not in answer.headers


OTHERS = [
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://evilapp.example.com",
    "https://app.example.com:444",
    "http://app.example.com",
    "HTTPS://APP.EXAMPLE.COM",
    "https://app.example.com/",
    "https://app.example.com https://evil.example",
    "http://localhost:3001",
    "http://127.0.0.1:3000",
    "http://keyfob.test",
    "null",
    "*",
    "",
]


@pytest.mark.no_cover  # a sweep over what other tests cover
@pytest.mark.parametrize("origin", OTHERS)
async def test_any_other_origin_gets_nothing(world: World, origin: str) -> None:
    browser = world.client(Origin=origin)
    for path in ("/me", "/login", "/nothing", "/", "/docs", "/openapi.json"):
        plain = await browser.get(path)
        asked = await browser.options(path, headers=ASKS)
        assert granted(plain) == granted(asked) == {}, path
        assert asked.status_code in {404, 405}, path
        assert "Origin" in plain.headers.get_list("vary", split_commas=True), path


async def test_two_origins_at_once_get_nothing(world: World) -> None:
    both = [("Origin", APP), ("Origin", "https://evil.example")]

    assert granted(await world.api.get("/me", headers=both)) == {}


async def test_what_names_no_origin_is_told_that_answers_differ(world: World) -> None:
    await world.make_user()
    user = await world.log_in()
    for answer in (await world.me(user), await world.api.get("/nothing")):
        assert granted(answer) == {}
        assert "Origin" in answer.headers.get_list("vary", split_commas=True)


async def test_public_keys_answer_any_origin(world: World) -> None:
    for origin in ("https://evil.example", "null", APP):
        browser = world.client(Origin=origin)
        for path in ("/.well-known/jwks.json", "/auth/.well-known/jwks.json"):
            assert granted(await browser.get(path)) == {"access-control-allow-origin": "*"}
            asked = await browser.options(path, headers=ASKS)
            assert asked.status_code == 204
            assert granted(asked)["access-control-allow-origin"] == "*"
            assert granted(asked)["access-control-allow-methods"] == "GET"  # there is no other


async def test_an_options_that_asks_for_nothing_is_no_preflight(world: World) -> None:
    answer = await world.client(Origin=APP).options("/me")

    assert answer.status_code == 405


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ("", []),
        ("https://app.example.com", [APP]),
        (" https://app.example.com , http://localhost:3000,", [APP, "http://localhost:3000"]),
        ("HTTPS://App.Example.com:443", [APP]),
        ("http://[::1]:80", ["http://[::1]"]),
        ("https://Москва.рф:443", ["https://xn--80adxhks.xn--p1ai"]),
        ("capacitor://localhost,tauri://localhost", ["capacitor://localhost", "tauri://localhost"]),
    ],
)
def test_origins_are_kept_as_browsers_write_them(
    given: str, origins: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_CORS_ORIGINS", given)

    assert load_settings().cors_origins == origins


@pytest.mark.parametrize(
    "given",
    [
        "*",
        "https://*.example.com",
        "null",
        "app.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://user@app.example.com",
        "https://",
        "https://app.example.com:99999",
        "https://a b",
        "https://app.example.com https://b.example.com",
    ],
)
def test_what_is_no_exact_origin_stops_the_start(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_CORS_ORIGINS", f"http://localhost:3000,{given}")

    with pytest.raises(WrongSetting, match="KEYFOB_CORS_ORIGINS: should be exact origins"):
        load_settings()
