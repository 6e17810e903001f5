"""The feed as server-sent events: signed once in each worker, and sent to all its readers."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field
from uuid import UUID

import prometheus_client
import structlog
from prometheus_client import Gauge

from keyfob.core.problems import Problem, TooManyRequests, Unavailable
from keyfob.revocation_feed.events import Events, FellBehind
from keyfob.revocation_feed.models import Page, Position
from keyfob.revocation_feed.service import RevocationFeed

OPEN = Gauge(
    "keyfob_revocation_streams",
    "Open streams of the revocation feed.",
    multiprocess_mode="livesum",
)
SENT = prometheus_client.Counter(
    "keyfob_revocation_events",
    "Events sent to streams of the revocation feed, by their name; `start-over`: a reader had to.",
    ["event"],
)

log = structlog.get_logger("keyfob.revocation_feed")

# Fewer than a poll gets: each reader who is slow may hold an event or two.
_MOST_ENTRIES = 500

# The seconds until a stream that was refused may be tried again.
_RETRY_AFTER = 5


def event(name: str, page: Page) -> bytes:
    """Return a document as an event (WHATWG HTML section 9.2)."""
    return b"event: %s\nid: %s\ndata: %s\n\n" % (
        name.encode(),
        page.position.encode(),
        page.document,
    )


def farewell(name: str, reason: str) -> bytes:
    """Return the last event of a stream. It is not signed: a forger gains what a cut gives."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), json.dumps({"reason": reason}).encode())


class Channel:
    """The events of a worker from some position on; the next event follows the one before."""

    def __init__(self, position: Position, text: str, most_bytes: int) -> None:
        self.position = position
        self.text = text
        self.events = Events(most_bytes)

    def add(self, name: str, page: Page) -> None:
        """Send a document to all readers."""
        self.events.add(name, event(name, page))
        self.position, self.text = page.reached, page.position


@dataclass(kw_only=True)
class RevocationStreams:
    """Follows the feed while it has readers, and signs each batch of revocations once for all.

    Args:
        feed: what is read and signed.
        most: the most streams of this worker.
        most_of_one: the most of one client or user. Services have many processes; a program that
            opens streams in a loop has no end.
        most_bytes: the bytes by which a reader may be behind; they are kept once for all readers.
        beat: the seconds between two events at the latest.
        pause: the seconds between two batches at least; the first one after silence goes at once.
    """

    feed: RevocationFeed
    most: int
    most_of_one: int = 50
    most_bytes: int = 4 * 1024 * 1024
    beat: float = 5.0
    pause: float = 0.05
    readers: Counter[UUID] = field(default_factory=Counter)
    _channel: Channel | None = None
    _joining: asyncio.Lock = field(default_factory=asyncio.Lock)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _is_stopping: bool = False

    def wake(self) -> None:
        """Look for revocations now, since one has been heard of."""
        self._news.set()

    def stop(self) -> None:
        """End all streams in order, before the server waits for its last requests."""
        self._is_stopping = True
        if self._channel:
            self._channel.events.end("closing", "stopping")

    async def close(self) -> None:
        """Stop following the feed."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def open(
        self, reader: UUID, after: str | None, may_still: Callable[[], Awaitable[bool]]
    ) -> "Stream":
        """Open a stream that continues after a position; `close` it in any case.

        Args:
            reader: the client or user, whose streams are counted.
            after: see `RevocationFeed.read`.
            may_still: tells whether the reader still has the right, asked at each event.

        Raises:
            TooManyRequests: the reader has too many streams.
            Unavailable: this worker has, or it stops; or the database does not answer.
        """
        if self._is_stopping or self.readers.total() >= self.most:
            raise Unavailable("Too many streams are open", retry_after=_RETRY_AFTER)
        if self.readers[reader] >= self.most_of_one:
            raise TooManyRequests(_RETRY_AFTER)
        self.readers[reader] += 1
        OPEN.set(self.readers.total())
        try:
            channel = await self._join()
            place, position = channel.events.end_place, channel.position
            first = await self.page(after, position)
        except BaseException:
            self.leave(reader)
            raise
        return Stream(self, channel, reader, may_still, first, place, position)

    async def page(self, after: str | None, claiming: Position) -> Page:
        """Return a page for a reader who joins a channel at a position that the last one ends at.

        What it holds was read later than the channel's position, so it lacks nothing before that.
        """
        return await self.feed.read(after, at_most=_MOST_ENTRIES, claiming=claiming)

    def leave(self, reader: UUID) -> None:
        """Give back the place of a stream."""
        self.readers -= Counter({reader: 1})
        OPEN.set(self.readers.total())

    async def _join(self) -> Channel:
        async with self._joining:
            if self._channel is None or self._channel.events.has_ended:
                position = await self.feed.present()
                text = self.feed.text_of(position)
                self._channel = Channel(position, text, self.most_bytes)
                # In a context of its own: it is no part of the request that came first.
                self._task = asyncio.create_task(
                    self._follow(self._channel), name="revocation streams", context=Context()
                )
            return self._channel

    async def _follow(self, channel: Channel) -> None:
        loop = asyncio.get_running_loop()
        sent_at = loop.time()
        try:
            while self.readers and not channel.events.has_ended:
                is_beat = not await self._hear_news(sent_at + self.beat - loop.time())
                try:
                    if await self._publish(channel, is_beat=is_beat):
                        sent_at = loop.time()
                    pause = self.pause
                except Problem:  # nothing is sent, and readers notice that nothing comes
                    self._news.set()
                    pause = 20 * self.pause
                await asyncio.sleep(pause)
        except Exception:
            log.exception("revocation_streams_failed")
        finally:
            channel.events.end("start-over", "failed")

    async def _hear_news(self, within: float) -> bool:
        try:
            async with asyncio.timeout(max(0, within)):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True

    async def _publish(self, channel: Channel, *, is_beat: bool) -> bool:
        """Send what is new to all readers, or a heartbeat; tell whether anything was sent.

        A heartbeat is sent only after the database was asked, so it proves that nothing is missing.
        """
        has_sent, more = False, True
        while more:
            page = await self.feed.read(channel.text, at_most=_MOST_ENTRIES)
            if not page.continues:
                channel.events.end("start-over", "epoch")
                return True
            if page.entries or is_beat:
                channel.add("revocations" if page.entries else "heartbeat", page)
                has_sent = True
            more = page.more
        return has_sent


@dataclass
class Stream:
    """The stream of one reader, at its own speed."""

    streams: RevocationStreams
    channel: Channel
    reader: UUID
    may_still: Callable[[], Awaitable[bool]]
    first: Page
    place: int
    position: Position

    def close(self) -> None:
        """Give back its place."""
        self.streams.leave(self.reader)

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the events: what was missed, then what comes; at last, why it ends."""
        try:
            async for one in self._missed():
                yield one
            async for one in self._following():
                yield one
        except FellBehind:
            yield _counted("start-over", farewell("start-over", "behind"))
        except Problem:  # the database is away: as if the connection were cut
            return

    async def _missed(self) -> AsyncIterator[bytes]:
        page = self.first
        yield _counted("revocations", event("revocations", page))
        while page.more:
            page = await self.streams.page(page.position, self.position)
            yield _counted("revocations", event("revocations", page))

    async def _following(self) -> AsyncIterator[bytes]:
        events = self.channel.events
        while (following := await events.after(self.place)) is not None:
            if not await self.may_still():
                yield _counted("closing", farewell("closing", "token"))
                return
            self.place += 1
            yield _counted(*following)
        yield _counted(events.ending[0], farewell(*events.ending))


def _counted(name: str, data: bytes) -> bytes:
    SENT.labels(name).inc()
    return data
