"""Asking the issuer: answers are bounded, and come from the address that was asked."""

import asyncio
import json
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from keyfob_client.errors import IssuerNotReached

_LONGEST_ANSWER = 4 * 1024 * 1024
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: httpx.Headers
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            IssuerNotReached: it is none.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise IssuerNotReached("the answer is no JSON") from None


def make_client(timeout: float) -> httpx.AsyncClient:
    """Return a client that follows no redirect and reads no netrc file.

    Threat: a redirect could lead a request with our secret to another host.
    """
    return httpx.AsyncClient(
        timeout=timeout,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "keyfob-client"},
        auth=_no_auth,
    )


def _no_auth(request: httpx.Request) -> httpx.Request:
    return request


async def ask(client: httpx.AsyncClient, method: str, url: str, **given: Any) -> Answer:
    """Send a request and read its answer, within the client's time for the whole.

    Raises:
        IssuerNotReached: there was no answer in time, or it was too long.
    """
    try:
        async with (
            asyncio.timeout(client.timeout.connect),
            client.stream(method, url, **given) as answer,
        ):
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > _LONGEST_ANSWER:
                    raise IssuerNotReached(f"{url}: the answer is too long")
            return Answer(answer.status_code, answer.headers, bytes(body))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        raise IssuerNotReached(f"{url}: {error!r}") from error


def check_url(url: object, *, allow_http: bool) -> str:
    """Return an address that may be asked: https, or http on this machine.

    Raises:
        ValueError: it is another. Threat: whoever is on the way could hand out keys of their own.
    """
    if not isinstance(url, str):
        raise ValueError(f"{url!r} is no URL")  # noqa: TRY004 - a server's word, not a caller's
    parts = urlsplit(url)
    is_private = parts.scheme == "http" and (allow_http or parts.hostname in _LOOPBACK)
    if not parts.hostname or not (parts.scheme == "https" or is_private):
        raise ValueError(f"{url} should begin with https://")
    return url
