"""The module for browsers, `sdk/js`: an app on another origin, its tabs, and a real service."""

import asyncio
import functools
import json
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from bench.harness.cluster import free_port
from tests.fixtures.chromium import Page, PageFault, browsing, find_program
from tests.fixtures.hostile import claims_of
from tests.fixtures.world import PASSWORD, SignedIn
from tests.journeys.conftest import Instance, Start, wait_until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_program() is None, reason="there is no chromium here"),
]

SOURCE = Path(__file__).parents[2] / "sdk" / "js" / "src"

APP = """
<!doctype html><meta charset="utf-8"><title>App</title>
<meta http-equiv="Content-Security-Policy"
    content="default-src 'self' 'unsafe-inline'; connect-src *">
<script type="module">
import { Keyfob } from "./browser.js";
window.keyfob = new Keyfob({ issuer: %s });
window.seen = [];
keyfob.onChange((signedIn) => seen.push(signedIn));
window.age = () => {  // as if the access token were over
    const key = Object.keys(localStorage).find((name) => name.startsWith("keyfob:"));
    const held = JSON.parse(localStorage.getItem(key));
    localStorage.setItem(key, JSON.stringify({...held, ends_at: 0}));
};
window.refusal = (promise) => promise.then(() => "none", (fault) => fault.code ?? fault.name);
window.ready = true;
</script>
"""


class _Files(SimpleHTTPRequestHandler):
    app = ""

    def do_GET(self) -> None:
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.app.encode())
        return None

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def app() -> Iterator[ThreadingHTTPServer]:
    """The server of an app, which is another origin than the service."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=str(SOURCE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def origin(app: ThreadingHTTPServer) -> str:
    return f"http://localhost:{app.server_port}"


@pytest.fixture(scope="module")
def service(start: Start, origin: str) -> Instance:
    port = free_port()
    issuer = f"http://localhost:{port}/auth"
    instance = start(
        PORT=port, ISSUER=issuer, WORKERS=2, CORS_ORIGINS=origin, WEBAUTHN_ORIGINS=origin
    )
    _Files.app = APP % json.dumps(issuer)
    wait_until(lambda: instance.is_ready, seconds=120)
    return instance


async def open_app(page: Page, origin: str) -> None:
    await page.go(f"{origin}/")
    async with asyncio.timeout(60):
        while not await page.run("window.ready === true"):  # noqa: ASYNC110 - modules have no event
            await asyncio.sleep(0.05)


@pytest.fixture
async def page(service: Instance, origin: str) -> AsyncIterator[Page]:
    """A tab at the app."""
    async with browsing() as page:
        await open_app(page, origin)
        yield page


async def sign_in(page: Page, email: str) -> None:
    await page.run(f"keyfob.signIn({json.dumps(email)}, {json.dumps(PASSWORD)})")


async def me(page: Page) -> int:
    issuer = "Object.keys(localStorage)[0].slice('keyfob:'.length)"
    status: int = await page.run(f"keyfob.fetch({issuer} + '/me').then((answer) => answer.status)")
    return status


async def seen(page: Page, expected: list[bool]) -> bool:
    async with asyncio.timeout(30):
        while await page.run("seen") != expected:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
    return True


async def test_all_tabs_are_signed_in_and_out_together(
    service: Instance, page: Page, origin: str
) -> None:
    SignedIn.of(service.register("ada@example.com"))
    other = await page.another()
    await open_app(other, origin)

    await sign_in(page, "ada@example.com")

    assert await seen(other, [True])
    assert await me(page) == await me(other) == 200
    token = await page.run("keyfob.accessToken()")
    assert await other.run("keyfob.signOut()") is True
    assert await seen(page, [True, False])
    assert await page.run("refusal(keyfob.accessToken())") == "SignedOut"
    assert await page.run("localStorage.length") == 0
    ended = service.call("GET", "/me", headers={"Authorization": f"Bearer {token}"})
    assert ended.status_code == 401


async def test_one_tab_renews_for_all(service: Instance, page: Page, origin: str) -> None:
    SignedIn.of(service.register("bob@example.com"))
    await sign_in(page, "bob@example.com")
    tabs = [page, await page.another(), await page.another()]
    for tab in tabs[1:]:
        await open_app(tab, origin)
    old = await page.run("keyfob.accessToken()")
    await page.run("age()")

    calls = [tab.run("keyfob.accessToken()") for tab in tabs for _ in range(3)]
    tokens = await asyncio.gather(*calls)

    # A tab that does not see yet what another has stored gets the same successor from the service.
    assert {claims_of(new)["gen"] for new in tokens} == {claims_of(old)["gen"] + 1}
    assert await me(page) == 200


async def test_a_lost_answer_signs_nobody_out(service: Instance, page: Page) -> None:
    SignedIn.of(service.register("eve@example.com"))
    await sign_in(page, "eve@example.com")
    await page.run("""
        window.real = window.fetch;
        window.lost = 0;
        window.fetch = async (...call) => {
            const answer = await real(...call);
            if (String(call[0]).endsWith("/refresh") && lost++ === 0) throw new TypeError("cut");
            return answer;
        };
        age();
    """)

    assert await me(page) == 200
    assert await page.run("lost") == 2
    assert await page.run("keyfob.signedIn") is True


async def test_a_refused_token_is_renewed_once_and_an_ended_session_is_told(
    service: Instance, page: Page
) -> None:
    signed_up = SignedIn.of(service.register("dan@example.com"))
    await sign_in(page, "dan@example.com")
    # A new generation, as a change of role would begin it.
    await page.run("""{
        const key = Object.keys(localStorage)[0];
        const held = JSON.parse(localStorage.getItem(key));
        localStorage.setItem(key, JSON.stringify({...held, access_token: held.access_token + "x"}));
    }""")
    assert await me(page) == 200

    service.call("DELETE", "/logout-all", headers=signed_up.headers)

    # It reaches every worker within a second, and not at once.
    async def ask_until_refused() -> None:
        while True:
            await me(page)

    with pytest.raises(PageFault, match="Nobody is signed in"):
        await asyncio.wait_for(ask_until_refused(), 20)
    assert await seen(page, [True, False])


async def test_the_token_goes_to_the_named_origins_alone(service: Instance, page: Page) -> None:
    SignedIn.of(service.register("flo@example.com"))
    await sign_in(page, "flo@example.com")

    for url in ("https://other.example.com/x", "/x"):
        assert await page.run(f"refusal(keyfob.fetch('{url}'))") == "TypeError"
    insecure = "new Keyfob({issuer: 'http://id.example.com/auth'})"
    told = await page.run(
        f"import('./browser.js').then(({{Keyfob}}) => refusal((async () => {insecure})()))"
    )
    assert told == "TypeError"


async def test_a_passkey_and_a_second_factor_sign_in(service: Instance, page: Page) -> None:
    SignedIn.of(service.register("kim@example.com"))
    service.keyfob("users", "mark-verified", "kim@example.com")
    await page.plug_in()
    await sign_in(page, "kim@example.com")
    await page.run("""(async () => {
        const token = await keyfob.accessToken();
        const begun = await keyfob.call("POST", "/me/factors/passkeys/options", undefined, token);
        const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(begun.options);
        const credential = (await navigator.credentials.create({publicKey})).toJSON();
        const body = {challenge_id: begun.challenge_id, name: "Phone", credential};
        await keyfob.call("POST", "/me/factors/passkeys", body, token);
    })()""")
    await page.run("keyfob.signOut()")

    await page.run("keyfob.signInWithPasskey()")
    assert await me(page) == 200
    await page.run("keyfob.signOut()")
    pending = await page.run(
        f"keyfob.signIn('kim@example.com', {json.dumps(PASSWORD)}).then(async (pending) => {{"
        " const factors = pending.factors.map((factor) => factor.type);"
        " await pending.finishWithPasskey(); return factors; })"
    )

    assert pending == ["passkey"]
    assert claims_of(await page.run("keyfob.accessToken()"))["acr"] == "aal2"
    wrong = await page.run("refusal(keyfob.signIn('kim@example.com', 'wrong one here'))")
    assert wrong == "invalid_credentials"
