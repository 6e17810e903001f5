"""A page without a server signs people in with oidc-client-ts, in Chromium."""

import http.server
import threading
from pathlib import Path
from typing import Any

from clients.administrator import Administrator
from playwright.sync_api import Browser, Page, sync_playwright
from tests.fixtures.chromium import find_program

admin = Administrator.of_trial()
ALONE = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ALONE += ["--disable-component-update", "--disable-sync"]
SETTINGS = """(id) => ({
    authority: '%s', client_id: id, redirect_uri: location.origin + '/',
    post_logout_redirect_uri: location.origin + '/bye', loadUserInfo: true,
    scope: 'openid profile email groups offline_access', automaticSilentRenew: false,
    ...%s
})"""
# The library shows a bound token as Bearer at userinfo, where Keyfob refuses that.
STORE = "{bind_authorization_code: true, store: new oidc.IndexedDbDPoPStore()}"
BOUND = f"{{loadUserInfo: false, dpop: {STORE}}}"


class Served(http.server.SimpleHTTPRequestHandler):
    """The page at any path, and the library."""

    def do_GET(self) -> None:
        script = self.path == "/oidc-client-ts.min.js"
        name = "node_modules/oidc-client-ts/dist/browser" + self.path if script else "index.html"
        body = Path(name).read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if script else "text/html")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def start(page: Page, client_id: str, more: str) -> None:
    """Make the library's manager on the page that is open."""
    settings = SETTINGS % (admin.url, more)
    page.evaluate(f"(id) => {{ window.app = new oidc.UserManager(({settings})(id)) }}", client_id)


def sign_in(page: Page, origin: str, client_id: str, more: str) -> dict[str, Any]:
    """Come from the page to Keyfob's and back; return who the library says that it is."""
    page.goto(f"{origin}/")
    start(page, client_id, more)
    with page.expect_navigation(url="**/ui/sign-in*"):
        page.evaluate("() => { app.signinRedirect() }")
    page.fill("input[name=email]", admin.email)
    page.fill("input[name=password]", admin.password)
    page.press("input[name=password]", "Enter")
    page.click("button[name=decision][value=allow]")
    page.wait_for_url(f"{origin}/?*")
    start(page, client_id, more)
    user: dict[str, Any] = page.evaluate("() => app.signinCallback()")
    return user


def use(browser: Browser, origin: str, more: str, kind: str) -> None:
    """Sign in, read who it is, refresh, and sign out."""
    client_id = admin.register(
        kind="browser",
        name="Ledger",
        redirect_uris=[f"{origin}/"],
        post_logout_redirect_uris=[f"{origin}/bye"],
    )
    page = browser.new_context(locale="en-GB").new_page()
    page.set_default_timeout(30_000)
    user = sign_in(page, origin, client_id, more)
    assert user["token_type"] == kind, user
    assert "admin" in user["profile"]["groups"], user
    assert user["profile"]["sub"] == admin.call("GET", "me")["id"], user

    again = page.evaluate("() => app.signinSilent()")
    assert again["profile"]["sub"] == user["profile"]["sub"], again
    assert again["refresh_token"] != user["refresh_token"], again
    page.evaluate("() => app.revokeTokens(['refresh_token'])")
    with page.expect_navigation(url=f"{origin}/bye*"):
        page.evaluate("(hint) => { app.signoutRedirect({id_token_hint: hint}) }", again["id_token"])
    start(page, client_id, more)
    page.evaluate("() => app.signoutCallback()")
    page.goto(f"{admin.url}/ui/account")
    assert "/ui/sign-in" in page.url, page.url


def refuse_other_origins(browser: Browser, origin: str) -> None:
    """Not the page of an app that nobody has registered: it reads no answer of our own API.

    The token endpoint answers any, since anybody may register an app in the trial.
    """
    page = browser.new_context().new_page()
    page.goto(origin.replace("localhost", "127.0.0.1"))
    asks = "(url) => fetch(url, {method: 'POST'}).then(() => 'read', (fault) => fault.name)"
    for path in ("login", "refresh", "me"):
        assert page.evaluate(asks, f"{admin.url}/{path}") == "TypeError", path


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Served) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://localhost:{server.server_port}"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_program(), args=ALONE)
        use(chromium, origin, "{}", "Bearer")
        use(chromium, origin, BOUND, "DPoP")
        refuse_other_origins(chromium, origin)
        chromium.close()
    server.shutdown()
