"""The check whether a password is known from a breach, without revealing the password."""

import asyncio
import hashlib
import logging
from functools import cached_property

import httpx
import structlog

_MAX_ANSWER_BYTES = 1024 * 1024
_PREFIX_CHARACTERS = 5

_log = structlog.get_logger(__name__)


class BreachedPasswords:
    """A k-anonymity range service such as "Have I Been Pwned".

    It learns the first five hex digits of the password's SHA-1, which about 2^140 others share, and
    answers with the rest of every known digest that begins with them.

    Args:
        url: the URL to which the five digits are appended, such as `https://.../range/`.
        timeout: the seconds within which it has to answer.
    """

    def __init__(self, url: str, *, timeout: float = 2.0) -> None:
        self._url = url
        self._timeout = timeout

    async def contains(self, password: str) -> bool:
        """Tell whether the password (NFC) is known from a breach.

        False if it cannot be checked in time: a service that is down must not prevent
        registrations.
        """
        # The protocol uses SHA-1, only to find a line in a public list; nothing depends on its
        # collisions.
        digest = hashlib.sha1(password.encode("utf-8", "surrogatepass")).hexdigest().upper()  # noqa: S324 - see above
        prefix, suffix = digest[:_PREFIX_CHARACTERS], digest[_PREFIX_CHARACTERS:]
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._fetch(prefix)
        except Exception as fault:  # noqa: BLE001 - any exception: registrations must go on
            # Only the class: the text of the exception could contain the URL, and with it the
            # digits.
            _log.warning("breached_passwords_unavailable", fault=type(fault).__name__)
            return False
        return _holds(answer, suffix)

    async def close(self) -> None:
        """Close the connections, if there are any."""
        if "_client" in self.__dict__:
            await self._client.aclose()

    async def _fetch(self, prefix: str) -> str:
        async with self._client.stream("GET", self._url + prefix) as response:
            if response.status_code != 200:
                raise ConnectionError
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_ANSWER_BYTES:
                    raise ConnectionError
            return body.decode("ascii", "replace")

    @cached_property
    def _client(self) -> httpx.AsyncClient:
        # It logs each URL at INFO, and with it the digits of each password.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        # Padding hides from the network how many lines a prefix has.
        return httpx.AsyncClient(
            headers={"Add-Padding": "true"}, timeout=self._timeout, follow_redirects=False
        )


def _holds(answer: str, suffix: str) -> bool:
    """Tell whether the answer has a line `SUFFIX:COUNT`; lines that count 0 are padding."""
    for line in answer.splitlines():
        known, _, count = line.strip().partition(":")
        if known.upper() == suffix:
            return count.strip("0") != ""
    return False
