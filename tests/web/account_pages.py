"""A browser, as far as requests go, that has signed in at the page."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape

import httpx
from tests.fixtures.world import PASSWORD, World

OURS = {"Sec-Fetch-Site": "same-origin"}
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
HOSTILE = "<img src=x onerror=alert(1)>\"'{{7*7}}"


@asynccontextmanager
async def signed_in(
    world: World, email: str = "ada@example.com", password: str = PASSWORD, **headers: str
) -> AsyncIterator[httpx.AsyncClient]:
    """Sign in at the page."""
    async with world.client(**{**OURS, **headers}) as browser:
        form = {"email": email, "password": password}
        assert (await browser.post("/ui/sign-in", data=form)).status_code == 303
        yield browser


def text_of(answer: httpx.Response) -> str:
    """Return the words of a page's main part, on one line."""
    main = answer.text.partition("<main")[2].partition(">")[2].partition("</main>")[0]
    within_lines = re.sub(r"</?(?:a|b|bdi|span|strong|time)\b[^>]*>", "", main)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", within_lines)).split())


def went_to(answer: httpx.Response) -> str:
    """Return where a good form leads to."""
    assert answer.status_code == 303, text_of(answer)
    return answer.headers["location"].removeprefix("/auth")
