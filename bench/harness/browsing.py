"""Browsers, as far as a server sees them: they keep a cookie, and follow links."""

import gzip
import html
import re

from bench.harness.load import Answer, Connection, Step, request
from bench.harness.servers import ADMIN

PREFIX = "/auth"
LIST = f"{PREFIX}/console/users"
_HEADERS = {
    "accept": "text/html,application/xhtml+xml",
    "accept-encoding": "gzip, deflate, br",
    "accept-language": "en",
    "sec-fetch-site": "same-origin",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}
_COOKIE = re.compile(rb"\r\nset-cookie: ([^=]+)=([^;\r]*)", re.IGNORECASE)
_NEXT = re.compile(r'href="([^"]*[?&;]after=[^"]*)"')


class Browser:
    """A browser with its cookies, on one connection."""

    def __init__(self, connection: Connection, **headers: str) -> None:
        self._connection = connection
        self._headers = {**_HEADERS, **headers}
        self._cookies: dict[bytes, bytes] = {}

    async def get(self, path: str) -> Answer:
        return await self._send("GET", path)

    async def post(self, path: str, **form: str) -> Answer:
        """Send a form of a page."""
        return await self._send("POST", path, form)

    async def sign_in(self, email: str, password: str) -> None:
        answer = await self.post(f"{PREFIX}/ui/sign-in", email=email, password=password)
        assert answer.status == 303, answer

    async def _send(self, method: str, path: str, form: dict[str, str] | None = None) -> Answer:
        headers = self._headers
        if self._cookies:
            cookie = b"; ".join(b"=".join(each) for each in self._cookies.items()).decode()
            headers = {**headers, "cookie": cookie}
        wire = request(method, path, form=form, headers=headers)
        answer = await self._connection.send(wire)
        self._cookies.update(_COOKIE.findall(answer.head))
        return answer


def text_of(page: Answer) -> str:
    """Return the HTML of a page, which may have come compressed."""
    is_packed = b"\r\ncontent-encoding: gzip\r\n" in page.head.lower()
    return (gzip.decompress(page.body) if is_packed else page.body).decode()


async def administrator(connection: Connection, **headers: str) -> Browser:
    """Sign the administrator in."""
    browser = Browser(connection, **headers)
    await browser.sign_in(*ADMIN)
    return browser


async def pages_through_users(connection: Connection, _: int) -> Step:
    """Reads the console's list of users page by page, and from the last one begins again."""
    browser, path = await administrator(connection), LIST

    async def step() -> int:
        nonlocal path
        answer = await browser.get(path)
        following = _NEXT.search(text_of(answer))
        path = html.unescape(following[1]) if following else LIST
        return answer.status

    return step
