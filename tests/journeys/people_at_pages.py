"""A person at a real Chromium, and what the browser complains of.

Each test fails if a page breaks its own policy (`securitypolicyviolation`) or its script does.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyotp
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, CDPSession
from tests.fixtures.world import PASSWORD
from tests.journeys.conftest import Instance, wait_until

from keyfob.core.telemetry import mask_email

_LISTEN = """addEventListener("securitypolicyviolation",
    (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));"""
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Person:
    """Somebody with a browser of their own."""

    def __init__(self, context: BrowserContext, service: Instance) -> None:
        self.context = context
        self.service = service
        self.url = service.url
        self.complaints: list[str] = []
        context.add_init_script(_LISTEN)
        context.on("weberror", lambda fault: self.complaints.append(str(fault.error)))
        context.on("console", lambda said: self._note(said.text))
        self.page = context.new_page()

    def _note(self, text: str) -> None:
        if text.startswith("CSP:"):
            self.complaints.append(text)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def sign_in(self, email: str, password: str = PASSWORD) -> None:
        """Fill in the form of the page that is open, and send it."""
        self.page.locator("#f-email").fill(email)
        self.page.locator("#f-password").fill(password)
        self.press("Sign in")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def wait_for(self, path: str) -> None:
        """Wait until a page of this path is shown, with any query."""
        self.page.wait_for_url(lambda url: url.partition("?")[0] == self.url + path)

    def plug_in(self) -> CDPSession:
        """Give the tab an authenticator that is touched at once."""
        protocol = self.context.new_cdp_session(self.page)
        protocol.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        protocol.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return protocol

    def add_app(self) -> str:
        """Add an authenticator app by the page, and return its secret."""
        self.open("/ui/account/security")
        self.press("Add an app")
        secret = self.page.locator(".copyable code, code").first.inner_text().replace(" ", "")
        self.page.get_by_label("Code").fill(pyotp.TOTP(secret).now())
        return secret

    def faults(self, rules: list[str] | None = None) -> list[tuple[str, str]]:
        """Return what axe finds on the page: the rule and the first element."""
        only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": _RULES}
        options = {"runOnly": only, "resultTypes": ["violations"]}  # the rest takes as long again
        found = Axe().run(self.page, options=options).response["violations"]
        return [(one["id"], one["nodes"][0]["html"]) for one in found]

    @property
    def is_too_wide(self) -> bool:
        """Tell whether the page scrolls sideways."""
        return bool(self.page.evaluate(_WIDER))


@contextmanager
def person(browser: Browser, service: Instance, **how: Any) -> Iterator[Person]:
    """Open a browser for somebody, and fail in the end if it has complained."""
    context = browser.new_context(**{"locale": "en-US", "reduced_motion": "reduce"} | how)
    context.set_default_timeout(20_000)
    someone = Person(context, service)
    try:
        yield someone
        assert someone.complaints == []
    finally:
        context.close()


def link_to(service: Instance, name: str, email: str) -> str:
    """Wait for a mail to an address with a link to a page, and return the newest link."""

    def find() -> str | None:
        lines = [json.loads(line) for line in service.said.splitlines() if line.startswith("{")]
        kept = [line for line in lines if line.get("event") == "mail_kept"]
        links = [line["link"] for line in kept if line["to"] == mask_email(email)]
        fitting = [link for link in links if f"/ui/{name}" in link]
        return fitting[-1] if fitting else None

    found: str = wait_until(find)
    return found
