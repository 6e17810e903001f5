"""A person with a browser, as far as forms go: signs in and allows an app what it asks for."""

import re
from html import unescape
from urllib.parse import urljoin

import requests

_FIELD = re.compile(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"')
_ONWARD = re.compile(r'http-equiv="refresh" content="0;url=([^"]*)"')


class Person:
    """Somebody who is sent to pages of the service, and reads them."""

    def __init__(self, email: str, password: str) -> None:
        self._credentials = {"email": email, "password": password}
        self._browser = requests.Session()
        self._browser.headers["Sec-Fetch-Site"] = "same-origin"

    def visit(self, url: str, callback: str) -> str:
        """Go where an app sends one; return the address at the app to which one comes back."""
        while not url.startswith(callback):
            answer = self._browser.get(url, allow_redirects=False, timeout=20)
            url = self._next(answer)
        return url

    def allow_device(self, page: str, code: str) -> None:
        """Sign in, type the code that a device shows, and allow what it asks for."""
        answer = self._browser.get(page, allow_redirects=False, timeout=20)
        if answer.is_redirect:
            sign_in = urljoin(answer.url, answer.headers["location"])
            shown = self._browser.get(sign_in, timeout=20)
            form = {name: unescape(value) for name, value in _FIELD.findall(shown.text)}
            self._browser.post(shown.url, data=form | self._credentials, timeout=20)
        asked = self._browser.post(page, data={"user_code": code}, timeout=20)
        form = {name: unescape(value) for name, value in _FIELD.findall(asked.text)}
        assert "user_code" in form, asked.text
        done = self._browser.post(page, data={**form, "decision": "allow"}, timeout=20)
        assert done.status_code == 200, done.text

    def _next(self, answer: requests.Response) -> str:
        if answer.is_redirect:
            return urljoin(answer.url, answer.headers["location"])
        assert answer.status_code == 200, answer.text
        if onward := _ONWARD.search(answer.text):
            return unescape(onward[1])
        hidden = {name: unescape(value) for name, value in _FIELD.findall(answer.text)}
        if "/ui/sign-in" in answer.url:
            return self._send(answer, {**hidden, **self._credentials})
        assert "/ui/authorize" in answer.url, answer.url
        return self._send(answer, {**hidden, "decision": "allow"})

    def _send(self, page: requests.Response, form: dict[str, str]) -> str:
        url = page.url.partition("?")[0]
        return self._next(self._browser.post(url, data=form, allow_redirects=False, timeout=20))
