"""A person with a browser (Chromium): signs in, decides, and shows what the screen says."""

import base64
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import TimeoutError as NothingHappened

_PATIENCE = 40_000  # milliseconds
_MOST_STEPS = 15
_ALONE = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
_ALONE += ["--disable-component-update", "--disable-sync"]


@contextlib.contextmanager
def chromium(program: str) -> Iterator[Browser]:
    """Run the Chromium at a path."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ALONE)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def person(browser: Browser, email: str, password: str, there: str) -> Iterator["Person"]:
    """Yield a person whose browser has not been used before.

    Args:
        browser: runs the pages.
        email: of an account.
        password: of that account.
        there: how addresses of the suite begin.
    """
    context = browser.new_context(ignore_https_errors=True, locale="en-GB")
    context.set_default_timeout(_PATIENCE)
    try:
        yield Person(context, email, password, there)
    finally:
        context.close()


@dataclass
class Person:
    """Goes where an address leads, until it leads back to the suite, or no further.

    `looks_first`: the first address is looked at, and left. `picture` is the last page that waited
    for the person, as a data URL; None before any has. `is_back`: the last way led to the suite.
    """

    context: BrowserContext
    email: str
    password: str
    there: str
    allows: bool = True
    looks_first: bool = False
    picture: str | None = None
    is_back: bool = False

    def visit(self, address: str) -> None:
        """Open an address, and do what its pages ask for."""
        page, self.is_back = self.context.new_page(), False
        try:
            with contextlib.suppress(NothingHappened):
                page.goto(address, wait_until="load")
            if self.looks_first:
                self.looks_first = False
                return
            for _ in range(_MOST_STEPS):
                if page.url.startswith(self.there):
                    self._finish(page)
                    return
                if not self._do(page) and not page.url.startswith(self.there):
                    return  # the last page, and it did not lead on meanwhile
        finally:
            page.close()

    def _finish(self, page: Page) -> None:
        """Wait until the suite has read what came back."""
        self.is_back = True
        with contextlib.suppress(NothingHappened):
            page.wait_for_selector("#submission_complete", state="attached")

    def _do(self, page: Page) -> bool:
        """Do what a page asks for; return False if it is the last one."""
        before = page.url
        password = page.locator("input[type=password]:visible").first
        if password.count():
            self._keep(page)
            if page.locator("input[name=email]:visible").count():
                page.fill("input[name=email]", self.email)
            password.fill(self.password)
            return _leave(page, lambda: password.press("Enter"))
        decision = f"button[name=decision][value={'allow' if self.allows else 'deny'}]"
        if page.locator(decision).count():
            self._keep(page)
            return _leave(page, partial(page.click, decision))
        logout = "form[action$='/ui/logout'] button"
        # Where it says that something is not right, that is to be shown.
        if page.locator(logout).count() and not page.locator(".notice.warn").count():
            self._keep(page)
            return _leave(page, partial(page.click, logout))
        if page.locator("meta[http-equiv=refresh], form[data-sends-itself]").count():
            with contextlib.suppress(NothingHappened):
                page.wait_for_url(lambda url: url != before)
            return page.url != before
        self._keep(page)
        return False

    def _keep(self, page: Page) -> None:
        if page.url.startswith(self.there):
            return
        png = page.screenshot(scale="css", type="jpeg", quality=60)
        self.picture = "data:image/jpeg;base64," + base64.b64encode(png).decode()


def _leave(page: Page, act: Callable[[], None]) -> bool:
    """Leave a page, and return whether another came."""
    try:
        with page.expect_navigation():
            act()
    except NothingHappened:
        return False
    except BrowserError:  # the page led on while it was being left
        page.wait_for_load_state()
    return True
