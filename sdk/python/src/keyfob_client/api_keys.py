"""API keys of Keyfob that are shown to a service: exchanged for access tokens (RFC 8693)."""

import asyncio
import hashlib
import logging
import re
import threading
import time
import zlib
from collections import OrderedDict
from typing import NamedTuple

from keyfob_client.errors import InvalidToken, IssuerNotReached, Unavailable
from keyfob_client.metrics import Metrics
from keyfob_client.places import Places
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
_MOST_AT_ONCE = 12  # exchanges of keys that were good before
_MOST_OF_STRANGERS = 4


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
    token: str
    until: float


class ApiKeys:
    """Exchanges API keys for access tokens, and remembers these by the SHA-256 of the key.

    Threat: a stranger shows keys that nobody made, whose checksum is right. Their refusals are
    remembered apart, and a key that was good before waits for none of them.

    Args:
        endpoint: where keys are exchanged, in the name of the service's own client.
        resource: the identifier of the service, whose tokens are asked for.
        metrics: is told of refusals that are not the key's fault.
        most: how many good keys to remember, and how many refused ones; those that were not used
            for the longest time are dropped first.
    """

    def __init__(
        self, endpoint: TokenEndpoint, *, resource: str, metrics: Metrics, most: int = 10_000
    ) -> None:
        self._endpoint = endpoint
        self._resource = resource
        self._metrics = metrics
        self._most = most
        self._known: OrderedDict[bytes, _Exchanged] = OrderedDict()
        self._refused: dict[bytes, float] = {}  # until when
        self._writing = threading.Lock()
        self._flights: dict[bytes, asyncio.Task[str]] = {}
        self._places = Places(_MOST_AT_ONCE)
        self._places_of_strangers = Places(_MOST_OF_STRANGERS)

    def recall(self, key: str) -> str | None:
        """Return the token of a key that was exchanged before. Any thread may ask.

        Raises:
            InvalidToken: the key was refused a moment ago.
        """
        digest, now = _digest(key), time.monotonic()
        if self._refused.get(digest, now) > now:
            raise InvalidToken("api_key_refused")
        with self._writing:
            known = self._known.get(digest)
            if known is None or known.until <= now:
                return None
            self._known.move_to_end(digest)
        return known.token

    def forget(self, key: str) -> None:
        """Forget what a key was exchanged for, and not that it was good."""
        digest = _digest(key)
        with self._writing:
            if known := self._known.get(digest):
                self._known[digest] = known._replace(until=0.0)

    def refuse(self, key: str) -> None:
        """Refuse a key for a moment. Threat: each use of it would ask the issuer once more."""
        self._refuse(_digest(key))

    async def exchange(self, key: str) -> str:
        """Return a token for a key; any number of callers lead to one request.

        Raises:
            InvalidToken: the issuer refuses the key.
            Unavailable: the issuer is not reached, or refuses us, or too many keys wait.
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
        was_good = digest in self._known
        places = self._places if was_good else self._places_of_strangers
        try:
            async with places.take():
                issued = await self._endpoint.ask(
                    grant_type=_EXCHANGE,
                    subject_token=key,
                    subject_token_type=_OF_KEYS,
                    resource=self._resource,
                )
        except IssuerNotReached as wrong:
            if isinstance(wrong, TokenRefused) and wrong.code in _OF_THE_KEY:
                self._refuse(digest)
                raise InvalidToken("api_key_refused") from None
            # Each request with a key comes here while the issuer is away.
            level = logging.WARNING if self._metrics.is_news(str(wrong)) else logging.DEBUG
            self._metrics.tell("api_key_not_exchanged", level, why=str(wrong))
            raise Unavailable("api_key_not_exchanged") from None
        self._remember(digest, issued.token, issued.lifetime * _USED_SHARE)
        return issued.token

    def _remember(self, digest: bytes, token: str, seconds: float) -> None:
        with self._writing:
            self._known[digest] = _Exchanged(token, time.monotonic() + seconds)
            self._known.move_to_end(digest)
            if len(self._known) > self._most:
                self._known.popitem(last=False)

    def _refuse(self, digest: bytes) -> None:
        with self._writing:
            self._known.pop(digest, None)
            self._refused.pop(digest, None)
            while len(self._refused) >= self._most:
                del self._refused[next(iter(self._refused))]
            self._refused[digest] = time.monotonic() + _REFUSED_SECONDS


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("ascii")).digest()
