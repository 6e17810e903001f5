"""A person signs in to an app in a real Chromium, and the service is restarted under a page."""

import base64
import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from tests.fixtures.chromium import find_program
from tests.journeys.conftest import Instance, Start, wait_until
from tests.journeys.people_at_pages import person

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_program() is None, reason="there is no chromium here"),
]

ADMIN = "admin@example.com"
ADMIN_PASSWORD = "quite another battery"
VERIFIER = "v" * 43


class App(ThreadingHTTPServer):
    """An app at an origin of its own, which notes how its users come back."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Callback)
        self.answers: list[dict[str, str]] = []

    @property
    def callback(self) -> str:
        return f"http://localhost:{self.server_port}/callback"


class _Callback(BaseHTTPRequestHandler):
    server: App

    def do_GET(self) -> None:
        self._come_back(urlsplit(self.path).query)

    def do_POST(self) -> None:
        self._come_back(self.rfile.read(int(self.headers["content-length"])).decode())

    def _come_back(self, query: str) -> None:
        if self.path.startswith("/callback"):
            self.server.answers.append({name: one[0] for name, one in parse_qs(query).items()})
        body = b"<title>Ledger</title><h1>Welcome to Ledger</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def app() -> Iterator[App]:
    with App() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def settings() -> dict[str, object]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        "PORT": port,
        "ISSUER": f"http://localhost:{port}/auth",
        "ADMIN_PASSWORD": ADMIN_PASSWORD,
        "LIMITS": "off",
    }


@pytest.fixture
def service(start: Start, settings: dict[str, object]) -> Iterator[Instance]:
    instance = start(**settings)
    wait_until(lambda: instance.is_ready, seconds=120)
    yield instance
    if instance.process.poll() is None:
        instance.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_program(), args=["--no-sandbox"])
        yield browser
        browser.close()


def register(service: Instance, callback: str) -> str:
    """Register an app without a secret, and return its id."""
    given = {"email": ADMIN, "password": ADMIN_PASSWORD}
    tokens = httpx.post(f"{service.url}/login", json=given, timeout=60).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    asked = {"name": "Ledger", "kind": "browser", "redirect_uris": [callback]}
    made = httpx.post(f"{service.url}/admin/clients", json=asked, headers=headers, timeout=60)
    assert made.status_code == 201, made.text
    client_id: str = made.json()["id"]
    return client_id


def link_of(service: Instance, client_id: str, callback: str, **more: str) -> str:
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": callback,
        "scope": "openid profile",
        "state": "a state",
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **more,
    }
    return f"{service.url}/oauth2/authorize?{urlencode(asked)}"


def test_a_person_signs_in_to_an_app_on_another_origin(
    service: Instance, chromium: Browser, app: App
) -> None:
    client_id = register(service, app.callback)
    welcome = "Welcome to Ledger"
    with person(chromium, service) as ada:
        ada.page.goto(link_of(service, client_id, app.callback))
        ada.sign_in(ADMIN, ADMIN_PASSWORD)
        expect(ada.page.get_by_role("heading", name="Allow Ledger?")).to_be_visible()
        assert ada.faults() == []
        ada.page.set_viewport_size({"width": 320, "height": 640})
        assert not ada.is_too_wide
        ada.press("Allow")
        expect(ada.page.get_by_role("heading", name=welcome)).to_be_visible()

        ada.page.goto(link_of(service, client_id, app.callback, response_mode="form_post"))
        ada.press("Allow")  # of an app on one's own machine it is never remembered
        expect(ada.page.get_by_role("heading", name=welcome)).to_be_visible()

        ada.page.goto(link_of(service, client_id, app.callback))
        ada.press("Do not allow")
        expect(ada.page.get_by_role("heading", name=welcome)).to_be_visible()

    first, second, third = app.answers
    assert third["error"] == "access_denied"
    for answer in (first, second):
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "client_id": client_id,
            "code_verifier": VERIFIER,
        }
        given = httpx.post(f"{service.url}/oauth2/token", data=form, timeout=60)
        assert given.status_code == 200, given.text
        about = httpx.get(
            f"{service.url}/oauth2/userinfo",
            headers={"Authorization": f"Bearer {given.json()['access_token']}"},
            timeout=60,
        )
        assert about.json()["locale"] == "en"


def test_an_open_page_signs_in_after_a_restart(
    service: Instance, chromium: Browser, start: Start, settings: dict[str, object]
) -> None:
    with person(chromium, service) as admin:
        admin.open("/ui/sign-in?return_to=/auth/ui/account/security")
        assert service.stop() == 0
        again = start(**settings)
        wait_until(lambda: again.is_ready, seconds=120)
        admin.sign_in(ADMIN, ADMIN_PASSWORD)
        admin.wait_for("/ui/account/security")
    again.stop()
