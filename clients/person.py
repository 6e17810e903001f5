"""A person with a browser, as far as links and forms go; it needs the standard library alone."""

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlencode, urljoin

_HIDDEN = re.compile(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"')
_ONWARD = re.compile(r'http-equiv="refresh" content="0;url=([^"]*)"')
_SENDS_ITSELF = re.compile(r'<form class="stack" method="post" action="([^"]*)"')
_MOST_STEPS = 30
# By these an app tells somebody's browser from a program.
_HEADERS = {
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
}
# Browsers send secure cookies to localhost by http, too.
_AS_BROWSERS = DefaultCookiePolicy(secure_protocols=("https", "http"))

Form = dict[str, str]
Step = tuple[str, Form | None]


@dataclass(frozen=True)
class Page:
    """What an address answered, after all that leads on by itself."""

    url: str
    status: int
    text: str


class Person:
    """Goes where links lead, signs in at Keyfob's pages, and allows apps what they ask for.

    Args:
        email: of an account.
        password: of that account.
        ca: path of a certificate that is trusted, beside http.
        decides: returns what an app's own page leads to, if it should be answered, too.
    """

    def __init__(
        self,
        email: str,
        password: str,
        *,
        ca: str | None = None,
        decides: Callable[[Page], Step | None] = lambda page: None,
    ) -> None:
        self._credentials = {"email": email, "password": password}
        self._decides = decides
        self.pages: list[str] = []  # the addresses of Keyfob's forms that were answered
        self._browser = urllib.request.build_opener(
            _Stays(),
            urllib.request.HTTPCookieProcessor(CookieJar(_AS_BROWSERS)),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca)),
        )

    def visit(self, url: str, callback: str) -> str:
        """Go where an app sends one; return the address at the app to which one comes back."""
        went = self._go((url, None), callback)
        assert isinstance(went, str), went
        return went

    def open(self, url: str, form: Form | None = None) -> Page:
        """Open an address or send a form, and go on until a page waits for somebody."""
        page = self._go((url, form), None)
        assert isinstance(page, Page), page
        return page

    def _go(self, step: Step, callback: str | None) -> Page | str:
        for _ in range(_MOST_STEPS):
            if callback and step[0].startswith(callback):
                return step[0]
            page, onward = self._ask(*step)
            next_step = (onward, None) if onward else self._answer(page)
            if next_step is None:
                return page
            step = next_step
        raise AssertionError(f"it leads on and on: {step[0]}")

    def _ask(self, url: str, form: Form | None) -> tuple[Page, str | None]:
        body = None if form is None else urlencode(form).encode()
        request = urllib.request.Request(url, body, _HEADERS)
        try:
            answer = self._browser.open(request, timeout=30)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            page = Page(url, answer.status, answer.read().decode("utf-8", "replace"))
            to = answer.headers["Location"] if 300 < page.status < 400 else None
        if to is None and (found := _ONWARD.search(page.text)):
            to = unescape(found[1])
        return page, urljoin(url, to) if to else None

    def _answer(self, page: Page) -> Step | None:
        """Return what a page of Keyfob's leads to; None if it waits for nothing that we know."""
        here = page.url.partition("?")[0]
        hidden = {name: unescape(value) for name, value in _HIDDEN.findall(page.text)}
        if "data-sends-itself" in page.text and (found := _SENDS_ITSELF.search(page.text)):
            return unescape(found[1]), hidden
        if page.status == 200 and here.endswith("/ui/sign-in"):
            self.pages.append(here)
            return here, hidden | self._credentials
        if page.status == 200 and here.endswith("/ui/authorize"):
            self.pages.append(here)
            return here, hidden | {"decision": "allow"}
        return self._decides(page)


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: where it leads is looked at first."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None
