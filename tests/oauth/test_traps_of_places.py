"""Traps about the place where codes go: that other providers fell into (docs/abuse.md)."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import (
    CALLBACK,
    App,
    answer_of,
    decided,
    hidden_fields,
    make_app,
    onward,
)
from tests.fixtures.world import World
from tests.oauth.test_code_flow import REFUSED
from tests.web.account_pages import signed_in

pytestmark = pytest.mark.usefixtures("ada")

EVIL = "https://evil.example/callback"


@pytest.fixture
async def ada(world: World) -> UUID:
    """The user, whose address is verified."""
    return await world.make_user(name="Ada")


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


def assert_nobody_is_sent_anywhere(answer: httpx.Response, asked: object) -> None:
    assert answer.status_code == 400, asked
    assert "location" not in answer.headers, asked
    assert "refresh" not in answer.headers, asked
    for way in ("http-equiv", "data-sends-itself", 'action="http', 'href="http', "code="):
        assert way not in answer.text, (asked, way)


# Each is taken for the registered one by who compares a prefix, a pattern, parts or decoded text.
LIKE_IT = [
    f"{CALLBACK}/",
    f"{CALLBACK}//",
    f"{CALLBACK}/more",
    f"{CALLBACK}.evil",
    f"{CALLBACK}?",
    f"{CALLBACK}?x=1",
    f"{CALLBACK}#",
    f"{CALLBACK}#x",
    f"{CALLBACK};x",
    f"{CALLBACK}%00",
    f"{CALLBACK}%20",
    f"{CALLBACK}%2f",
    f"{CALLBACK}%23",
    f"{CALLBACK}\t",
    f"{CALLBACK}\n",
    f"{CALLBACK}\r\nLocation: {EVIL}",
    f"{CALLBACK}\0",
    f" {CALLBACK}",
    f"\t{CALLBACK}",
    f"{CALLBACK} {EVIL}",
    f"{CALLBACK},{EVIL}",
    CALLBACK.replace("/callback", "/./callback"),
    CALLBACK.replace("/callback", "/x/../callback"),
    CALLBACK.replace("/callback", "/x/%2e%2e/callback"),
    CALLBACK.replace("/callback", "//callback"),
    CALLBACK.replace("/callback", "%2fcallback"),
    CALLBACK.replace("/callback", "\\callback"),
    CALLBACK.replace("callback", "Callback"),
    CALLBACK.replace("callback", "%63allback"),
    CALLBACK.replace("callback", "call\tback"),
    CALLBACK.replace("callback", "call\nback"),
    CALLBACK.replace("https:", "HTTPS:"),
    CALLBACK.replace("https:", "http:"),
    CALLBACK.replace("https://", "https:/"),
    CALLBACK.replace("https://", "https:///"),
    CALLBACK.replace("https:", ""),
    CALLBACK.replace("app.", "APP."),
    CALLBACK.replace("app.", "\uff41pp."),  # a wide letter, which IDNA makes an "a"
    CALLBACK.replace("app.", "\u0430pp."),  # a Cyrillic one
    CALLBACK.replace("app.", "xn--pp-7iq."),
    CALLBACK.replace(".com", ".com."),
    CALLBACK.replace(".com", "\u3002com"),
    CALLBACK.replace(".com", ".com:443"),
    CALLBACK.replace(".com", ".com:8443"),
    CALLBACK.replace(".com", ".com:"),
    CALLBACK.replace(".com", ".com.evil.example"),
    CALLBACK.replace(".com", ".com@evil.example"),
    CALLBACK.replace(".com", ".com%40evil.example"),
    CALLBACK.replace(".com", ".com\\@evil.example"),
    CALLBACK.replace("https://", "https://user@"),
    CALLBACK.replace("https://", "https://evil.example#@"),
    CALLBACK.replace("https://", "https://evil.example\\"),
    CALLBACK.replace("https://", "https://evil.example?@"),
    CALLBACK.replace("app.", "evil.app."),
    CALLBACK.replace("https://app.", "https://evil-app."),
    f"{EVIL}?to={CALLBACK}",
    "javascript:alert(1)//" + CALLBACK,
    "data:text/html," + CALLBACK,
]


async def test_a_place_that_is_only_like_the_registered_one_gets_nothing(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_app(world)
    await app.code(browser)  # so that nothing but the place keeps a code back

    for uri in LIKE_IT:
        assert_nobody_is_sent_anywhere(await app.send(browser, redirect_uri=uri), uri)
        pushed = await app.push(redirect_uri=uri)
        assert (pushed.status_code, pushed.json()["error"]) == (400, "invalid_request"), uri

    assert await world.db.fetchval("SELECT count(*) FROM authorization_codes") == 1


# RFC 8252 section 7.3 leaves the port free, and nothing else.
NOT_ON_THIS_MACHINE = [
    "http://localhost:51004/callback",
    "http://[::1]:51004/callback",
    "http://127.1:51004/callback",
    "http://127.0.0.2:51004/callback",
    "http://0.0.0.0:51004/callback",
    "http://2130706433:51004/callback",
    "http://0x7f.0.0.1:51004/callback",
    "http://127.0.0.1.evil.example:51004/callback",
    "http://127.0.0.1:51004@evil.example/callback",
    "http://evil.example@127.0.0.1:51004/callback",
    "http://127.0.0.1:51004\\@evil.example/callback",
    "http://127.0.0.1:51004/callback/",
    "http://127.0.0.1:51004/callback?x=1",
    "http://127.0.0.1:51004/callback#x",
    "http://127.0.0.1:51004/other",
    "http://127.0.0.1:51004//callback",
    "http://127.0.0.1:/callback",
    "http://127.0.0.1:0x1/callback",
    "http://127.0.0.1:65536/callback",
    "http://127.0.0.1:-1/callback",
    "http://127.0.0.1:+1/callback",
    "http://127.0.0.1:\u0661/callback",  # a digit of another script
    "http://127.0.0.1:51004:51005/callback",
    "https://127.0.0.1:51004/callback",
]


async def test_on_ones_own_machine_the_port_alone_is_free(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_app(world, public=True, redirect_uris=("http://127.0.0.1/callback",))

    page = await onward(
        browser, await app.send(browser, redirect_uri="http://127.0.0.1:1/callback")
    )
    assert "request" in dict(hidden_fields(page))
    for uri in NOT_ON_THIS_MACHINE:
        assert_nobody_is_sent_anywhere(await app.send(browser, redirect_uri=uri), uri)


MODES = (None, "query", "fragment", "form_post", "query.jwt", "x")


@pytest.mark.slow
async def test_no_error_is_told_to_a_place_that_is_not_registered(
    world: World, browser: httpx.AsyncClient
) -> None:
    """Threat: the branch that refuses forgets to look at the place, which is then anybody's."""
    app = await make_app(world)
    async with world.client() as stranger:
        for wrong, _ in [*REFUSED, ({}, ""), ({"prompt": "none"}, "")]:
            for mode in MODES:
                asked = {"redirect_uri": EVIL, "response_mode": mode, **wrong}
                for who in (browser, stranger):
                    assert_nobody_is_sent_anywhere(await app.send(who, **asked), asked)


async def test_no_error_of_a_form_is_told_there_either(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_app(world)

    for wrong, _ in [*REFUSED, ({}, "")]:
        asked = app.query(**{"redirect_uri": EVIL, "response_mode": "form_post", **wrong})
        assert_nobody_is_sent_anywhere(await browser.post("/oauth2/authorize", data=asked), asked)
        pushed = await app.push(**{"redirect_uri": EVIL, **wrong})
        assert pushed.status_code == 400, asked
        assert "request_uri" not in pushed.json()


async def test_a_stored_request_goes_to_the_place_that_it_came_with(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_app(world)
    for word in ("allow", "deny"):
        page = await onward(browser, await app.send(browser, prompt="consent"))
        more = {"redirect_uri": EVIL, "decision": word, "response_mode": "query"}
        more |= dict(hidden_fields(page))
        answer = await browser.post("/ui/authorize", params={"redirect_uri": EVIL}, data=more)
        answer_of(answer)  # which goes to the place that is registered
        again = await decided(browser, page, word)
        assert_nobody_is_sent_anywhere(again, word)


async def test_an_app_that_is_unknown_sends_nobody_anywhere(
    world: World, browser: httpx.AsyncClient
) -> None:
    for unknown in ("00000000-0000-7000-8000-000000000000", "x", "", "https://app.example.com"):
        for mode in MODES:
            app = App(world, UUID(int=0), None, {"client_id": unknown})
            asked = {"response_mode": mode, "prompt": "none"}
            assert_nobody_is_sent_anywhere(await app.send(browser, **asked), (unknown, mode))
