"""Following the feed: by its stream, and by polling while that is cut or silent."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from random import uniform
from typing import NamedTuple

import httpx

from keyfob_client.errors import InvalidToken, IssuerNotReached, Unavailable, UnknownKey
from keyfob_client.fetching import ask, check_url
from keyfob_client.key_source import KeySource
from keyfob_client.metrics import FeedState, Metrics
from keyfob_client.program import OwnToken
from keyfob_client.revocations.document import Document, read_document, rules_of_feed
from keyfob_client.revocations.events import Event, EventReader
from keyfob_client.revocations.state import Known

_POLL_SECONDS = 0.9  # with the answer it is a second
_LONGEST_PAUSE = 10.0
_MOST_PAGES = 1000  # in one poll; each has up to 5,000 entries
_LEVELS = {FeedState.POLLING: logging.WARNING, FeedState.LOST: logging.ERROR}
_DOCUMENTS = frozenset({"revocations", "heartbeat"})


class _Address(NamedTuple):
    feed: str
    stream: str


class Follower:
    """Keeps what is known of the feed fresh. All of it runs in one event loop.

    Args:
        http: asks.
        keys: the keys of the issuer, from which it drops those that were compromised.
        known: is given what the feed says.
        token: the access token to ask with.
        metrics: is told how the feed is followed.
        clock: returns the seconds since 1970.
        quiet_for: the seconds without a document after which the stream is held to be dead.
        allow_http: whether http may be used beyond this machine.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        issuer: str,
        keys: KeySource,
        known: Known,
        token: OwnToken,
        metrics: Metrics,
        clock: Callable[[], float],
        leeway: int,
        quiet_for: float,
        allow_http: bool,
    ) -> None:
        self._http = http
        self._issuer = issuer
        self._keys = keys
        self._known = known
        self._token = token
        self._metrics = metrics
        self._clock = clock
        self._leeway = leeway
        self._quiet_for = quiet_for
        self._allow_http = allow_http
        self._streamed_at = float("-inf")
        self._fault = ""
        self._tried = asyncio.Event()

    @property
    def has_tried(self) -> bool:
        """True once the feed was read, or could not be."""
        return self._tried.is_set()

    async def first(self) -> None:
        """Wait until the feed was read, or could not be."""
        await self._tried.wait()

    async def run(self) -> None:
        """Follow the feed. Never returns."""
        self._metrics.feed = FeedState.STARTING
        try:
            await self._succeeds(self._poll)
        finally:
            self._tried.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_streaming())
            group.create_task(self._watch())

    async def _watch(self) -> None:
        """Poll each second while the stream brings nothing, and tell how it stands."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            if not self._streams:
                await self._succeeds(self._poll)
            self._known.forget_old()
            self._tell_state()

    async def _keep_streaming(self) -> None:
        failed = 0
        while True:
            succeeded = await self._succeeds(self._stream)
            failed = 0 if succeeded or self._streams else failed + 1
            self._streamed_at = float("-inf")
            # Readers that were cut off together should not come back together.
            spread = uniform(0.2, 1.0)  # noqa: S311 - no secret
            await asyncio.sleep(spread * min(2.0**failed, _LONGEST_PAUSE))

    @property
    def _streams(self) -> bool:
        return time.monotonic() - self._streamed_at <= self._quiet_for

    async def _succeeds(self, attempt: Callable[[], Awaitable[None]]) -> bool:
        """Try; what goes wrong is counted each time, and logged when it changes."""
        try:
            await attempt()
        except (IssuerNotReached, InvalidToken, Unavailable, httpx.HTTPError, ValueError) as wrong:
            what = "feed_refused" if isinstance(wrong, InvalidToken) else "feed_not_read"
            why = f"{what}: {wrong!r}"
            if why != self._fault:
                self._metrics.tell(what, logging.WARNING, why=repr(wrong))
            else:
                self._metrics.events[what] += 1
            self._fault = why
            return False
        self._fault = ""
        return True

    def _tell_state(self) -> None:
        state, metrics = self._state(), self._metrics
        metrics.revocations, metrics.feed_contact_at = len(self._known), self._known.contact_at
        if state is not metrics.feed:
            metrics.feed = state
            metrics.tell(f"feed_{state}", _LEVELS.get(state, logging.INFO))

    def _state(self) -> FeedState:
        if self._known.contact_at is None:
            return FeedState.STARTING
        if self._known.is_lost:
            return FeedState.LOST
        return FeedState.STREAMING if self._streams else FeedState.POLLING

    async def _poll(self) -> None:
        """Read everything that came after the position.

        Raises:
            IssuerNotReached, InvalidToken: it could not be read, or is not to be believed.
        """
        address = await self._address()
        for _ in range(_MOST_PAGES):
            asked = self._known.position
            answer = await ask(
                self._http,
                "GET",
                address.feed,
                params={} if asked is None else {"after": asked},
                headers=await self._headers(),
            )
            self._check_status(answer.status)
            document = await self._read(answer.body.decode("ascii"), address)
            if not self._known.take(document):
                if asked == self._known.position:  # else the stream has brought it meanwhile
                    raise IssuerNotReached("the feed answers with an earlier document")
                return
            if not document.more:
                return

    async def _stream(self) -> None:
        """Read the stream until it ends.

        Raises:
            IssuerNotReached, InvalidToken, ValueError: as above.
            httpx.HTTPError: it was cut.
        """
        address, headers = await self._address(), await self._headers()
        if self._known.position is not None:
            headers["Last-Event-ID"] = self._known.position
        # Heartbeats come each five seconds.
        timeout = httpx.Timeout(self._http.timeout.connect, read=self._quiet_for)
        async with self._http.stream(
            "GET", address.stream, headers=headers, timeout=timeout
        ) as answer:
            self._check_status(answer.status_code)
            reader = EventReader()
            async for part in answer.aiter_raw():
                for event in reader.read(part):
                    if not await self._hear(event, address):
                        return

    async def _hear(self, event: Event, address: _Address) -> bool:
        """Take what an event says; tell whether to listen on.

        What is not signed (`start-over`, `closing`) means no more than that the stream ends.
        """
        if event.name not in _DOCUMENTS:
            return event.name not in {"start-over", "closing"}
        follows = self._known.take(await self._read(event.data, address))
        if follows:
            self._streamed_at = time.monotonic()
            self._tell_state()
        return follows

    async def _read(self, text: str, address: _Address) -> Document:
        rules = rules_of_feed(self._issuer, address.feed, leeway=self._leeway)
        keys = self._keys.keys
        if keys is None:
            raise IssuerNotReached("the keys are not known")
        try:
            document = read_document(text, keys, rules, self._clock())
        except UnknownKey:
            await self._keys.refresh()
            document = read_document(text, self._keys.keys or keys, rules, self._clock())
        for kid in document.kids:
            self._keys.distrust(kid)
        return document

    async def _address(self) -> _Address:
        if self._keys.keys is None:
            await self._keys.refresh()
        told = (await self._keys.metadata()).document
        try:
            return _Address(
                *(
                    check_url(told.get(f"keyfob_{name}_endpoint"), allow_http=self._allow_http)
                    for name in ("revocations", "revocations_stream")
                )
            )
        except ValueError as wrong:
            raise IssuerNotReached(f"the issuer has no feed of revocations: {wrong}") from None

    async def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self._token.get()}"}

    def _check_status(self, status: int) -> None:
        if status == 401:
            self._token.discard()
        if status != 200:
            raise IssuerNotReached(f"the feed answers {status}")
