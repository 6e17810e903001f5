"""The keys of an issuer: fetched, kept fresh, and fetched anew for an unknown `kid`.

All of it runs in one event loop.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from random import uniform

import httpx

from keyfob_client.discovery import Metadata, discover
from keyfob_client.errors import IssuerNotReached, Unavailable
from keyfob_client.fetching import Answer, ask
from keyfob_client.keys import KeySet, read_key_set
from keyfob_client.metrics import Metrics

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:$|[\s,])")
_USUAL_AGE = 300.0  # seconds, if the answer does not say
_LONGEST_AGE = 3600.0
_LONGEST_PAUSE = 30.0
# Metadata changes when an issuer moves; then its keys are at another address.
_METADATA_AGE = 3600.0


class KeySource:
    """Fetches the metadata and the key set of an issuer, one fetch at a time.

    Without the issuer, the keys that are known stay in use.

    Args:
        client: asks.
        issuer: the issuer, by whose metadata everything else is found.
        allow_http: whether http may be used beyond this machine.
        interval: the seconds in which unknown ids lead to one fetch at most. Threat: whoever sends
            tokens can invent a new `kid` each time.
        hold: is given the keys when they change.
        metrics: is told what happens.
        shortest_age: the seconds that keys are believed, if the answer says less.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        issuer: str,
        *,
        allow_http: bool,
        interval: float,
        hold: Callable[[KeySet], None],
        metrics: Metrics,
        shortest_age: float = 30.0,
    ) -> None:
        self._client = client
        self._issuer = issuer
        self._allow_http = allow_http
        self._interval = interval
        self._hold = hold
        self._metrics = metrics
        self._flight: asyncio.Task[None] | None = None
        self._tried_at = -_LONGEST_PAUSE
        self._failed = 0
        self._shortest_age = shortest_age
        self._max_age = _USUAL_AGE
        self._listed: object = None
        self._keys: KeySet | None = None
        self._distrusted: set[str] = set()
        self._metadata: Metadata | None = None
        self._metadata_until = 0.0

    @property
    def keys(self) -> KeySet | None:
        """The keys that are known; None before the first fetch."""
        return self._keys

    async def metadata(self) -> Metadata:
        """Return the metadata of the issuer, fetched at most once an hour.

        Raises:
            IssuerNotReached: it cannot be fetched, and was not before.
        """
        if self._metadata is None or self._metadata_until < time.monotonic():
            try:
                self._metadata = await discover(
                    self._client, self._issuer, allow_http=self._allow_http
                )
                self._metadata_until = time.monotonic() + _METADATA_AGE
            except IssuerNotReached:
                if self._metadata is None:
                    raise
        return self._metadata

    async def refresh(self) -> None:
        """Fetch the keys, unless they were fetched within the interval.

        Raises:
            Unavailable: the last attempt, made now or within the interval, has failed.
        """
        if self._flight is None:
            if time.monotonic() - self._tried_at < self._interval:
                if self._failed:
                    raise Unavailable("keys_not_fetched")
                return
            self._flight = asyncio.create_task(self._fetch())
            self._flight.add_done_callback(self._landed)
        try:
            await asyncio.shield(self._flight)
        except IssuerNotReached:
            raise Unavailable("keys_not_fetched") from None

    def _landed(self, flight: "asyncio.Task[None]") -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # whoever waits has it; nobody may be waiting any more

    async def keep_fresh(self) -> None:
        """Fetch the keys before they are too old; after a failure soon again. Never returns."""
        while True:
            try:
                await self.refresh()
                pause = self._max_age * 0.8
            except Unavailable:
                pause = min(2.0**self._failed, _LONGEST_PAUSE)
            # Services that were started together should not ask together for ever.
            await asyncio.sleep(pause * uniform(0.8, 1.0))  # noqa: S311 - no secret

    def distrust(self, kid: str) -> None:
        """Drop a key, and never take it back: it was compromised."""
        self._distrusted.add(kid)
        if self._keys is not None:
            self._take(self._keys)

    async def _fetch(self) -> None:
        self._tried_at = time.monotonic()
        try:
            metadata = await self.metadata()
            answer = await ask(self._client, "GET", metadata.jwks_uri)
            self._read(answer)
        except IssuerNotReached as wrong:
            self._failed += 1
            self._metadata_until = 0.0  # it may have moved
            self._metrics.tell("keys_not_fetched", logging.WARNING, why=str(wrong))
            raise
        self._failed = 0

    def _read(self, answer: Answer) -> None:
        if answer.status != 200:
            raise IssuerNotReached(f"the key set is answered by {answer.status}")
        listed = answer.json()
        self._max_age = max(_max_age(answer.headers), self._shortest_age)
        if listed == self._listed:
            self._metrics.tell("keys_fetched", logging.DEBUG)
            return
        try:
            keys = read_key_set(listed)
        except ValueError as wrong:
            raise IssuerNotReached(f"the key set: {wrong}") from None
        self._listed = listed
        self._take(keys)
        self._metrics.tell("keys_changed", keys=len(keys))

    def _take(self, keys: KeySet) -> None:
        kept = keys.without(self._distrusted)
        if kept is not self._keys:
            self._keys = kept
            self._hold(kept)


def _max_age(headers: httpx.Headers) -> float:
    """Return the seconds that an answer stays fresh (RFC 9111 section 5.2.2.1), an hour at most."""
    told = _MAX_AGE.search(headers.get("cache-control", "").lower())
    return min(float(told[1]) if told else _USUAL_AGE, _LONGEST_AGE)
