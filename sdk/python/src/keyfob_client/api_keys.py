"""API keys of Keyfob that are shown to a service: exchanged for access tokens (RFC 8693)."""

import asyncio
import hashlib
import logging
import re
import threading
import time
import zlib
from typing import NamedTuple

from keyfob_client.errors import InvalidToken, IssuerNotReached, Unavailable
from keyfob_client.metrics import Metrics
from keyfob_client.program import TokenEndpoint, TokenRefused

_KEY = re.compile(r"kfk_[0-9A-Za-z]{49}")
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_CHECKSUM = 6
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_OF_KEYS = "urn:keyfob:token-type:api-key"
# What these codes refuse is the key; others refuse us, or this moment.
_OF_THE_KEY = frozenset({"invalid_request", "invalid_grant", "invalid_scope"})
_REFUSED_SECONDS = 10.0
_USED_SHARE = 0.8  # of a token's life, so that none expires on the way
_MOST_AT_ONCE = 16


def is_api_key(text: str) -> bool:
    """Tell whether a text is an API key that was not mistyped."""
    return bool(_KEY.fullmatch(text)) and text == with_checksum(text[:-_CHECKSUM])


def with_checksum(begin: str) -> str:
    """Return a key of its beginning: its end is a CRC-32 of that, in base62."""
    number, digits = zlib.crc32(begin.encode("ascii")), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return begin + digits


class _Exchanged(NamedTuple):
    token: str | None  # None: the key was refused
    until: float


class ApiKeys:
    """Exchanges API keys for access tokens, and remembers these by the SHA-256 of the key.

    Args:
        endpoint: where keys are exchanged, in the name of the service's own client.
        resource: the identifier of the service, whose tokens are asked for.
        metrics: is told of refusals that are not the key's fault.
        most: how many keys to remember; the oldest are dropped first.
    """

    def __init__(
        self, endpoint: TokenEndpoint, *, resource: str, metrics: Metrics, most: int = 10_000
    ) -> None:
        self._endpoint = endpoint
        self._resource = resource
        self._metrics = metrics
        self._most = most
        self._known: dict[bytes, _Exchanged] = {}
        self._writing = threading.Lock()
        self._flights: dict[bytes, asyncio.Task[str]] = {}
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)

    def recall(self, key: str) -> str | None:
        """Return the token of a key that was exchanged before. Any thread may ask.

        Raises:
            InvalidToken: the key was refused a moment ago.
        """
        known = self._known.get(_digest(key))
        if known is None or known.until <= time.monotonic():
            return None
        if known.token is None:
            raise InvalidToken("api_key_refused")
        return known.token

    def forget(self, key: str) -> None:
        """Forget what a key was exchanged for."""
        with self._writing:
            self._known.pop(_digest(key), None)

    def refuse(self, key: str) -> None:
        """Refuse a key for a moment. Threat: each use of it would ask the issuer once more."""
        self._remember(_digest(key), None, _REFUSED_SECONDS)

    async def exchange(self, key: str) -> str:
        """Return a token for a key; any number of callers lead to one request.

        Raises:
            InvalidToken: the issuer refuses the key.
            Unavailable: the issuer is not reached, or refuses us.
        """
        digest = _digest(key)
        flight = self._flights.get(digest)
        if flight is None:
            flight = self._flights[digest] = asyncio.create_task(self._exchange(key, digest))
            flight.add_done_callback(lambda done: self._landed(digest, done))
        return await asyncio.shield(flight)

    def _landed(self, digest: bytes, flight: "asyncio.Task[str]") -> None:
        del self._flights[digest]
        if not flight.cancelled():
            flight.exception()  # whoever waits has it

    async def _exchange(self, key: str, digest: bytes) -> str:
        try:
            async with self._places:
                issued = await self._endpoint.ask(
                    grant_type=_EXCHANGE,
                    subject_token=key,
                    subject_token_type=_OF_KEYS,
                    resource=self._resource,
                )
        except IssuerNotReached as wrong:
            if isinstance(wrong, TokenRefused) and wrong.code in _OF_THE_KEY:
                self._remember(digest, None, _REFUSED_SECONDS)
                raise InvalidToken("api_key_refused") from None
            # Each request with a key comes here while the issuer is away.
            level = logging.WARNING if self._metrics.is_news(str(wrong)) else logging.DEBUG
            self._metrics.tell("api_key_not_exchanged", level, why=str(wrong))
            raise Unavailable("api_key_not_exchanged") from None
        self._remember(digest, issued.token, issued.lifetime * _USED_SHARE)
        return issued.token

    def _remember(self, digest: bytes, token: str | None, seconds: float) -> None:
        with self._writing:
            while len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            self._known[digest] = _Exchanged(token, time.monotonic() + seconds)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("ascii")).digest()
