"""The feed as server-sent events: signed once in each worker, and sent to all its readers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import prometheus_client
from prometheus_client import Gauge

from keyfob.core.events import FellBehind
from keyfob.core.problems import Problem
from keyfob.core.streams import Channel, Streams, farewell
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

# Fewer than a poll gets: each reader who is slow may hold an event or two.
_MOST_ENTRIES = 500


def event(name: str, page: Page) -> bytes:
    """Return a document as an event (WHATWG HTML section 9.2)."""
    return b"event: %s\nid: %s\ndata: %s\n\n" % (
        name.encode(),
        page.position.encode(),
        page.document,
    )


class RevocationChannel(Channel):
    """The events of a worker from some position on; the next event follows the one before."""

    def __init__(self, position: Position, text: str, most_bytes: int) -> None:
        super().__init__(most_bytes)
        self.position = position
        self.text = text

    def add(self, name: str, page: Page) -> None:
        """Send a document to all readers."""
        self.events.add(name, event(name, page))
        self.position, self.text = page.reached, page.position


@dataclass(kw_only=True)
class RevocationStreams(Streams[RevocationChannel]):
    """Follows the feed while it has readers, and signs each batch of revocations once for all.

    `feed` is what is read and signed.
    """

    feed: RevocationFeed
    name: str = "revocation streams"
    gauge: Gauge = OPEN
    most_of_one: int = 50

    async def open(
        self, reader: UUID, after: str | None, may_still: Callable[[], Awaitable[bool]]
    ) -> "Stream":
        """Open a stream that continues after a position; `close` it in any case.

        Args:
            reader: whose streams are counted (`limits.requests.counted_for`).
            after: see `RevocationFeed.read`.
            may_still: tells whether the reader still has the right, asked at each event.

        Raises:
            TooManyRequests: the reader has too many streams.
            Unavailable: this worker has, or it stops; or the database does not answer.
        """
        self.enter(reader)
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

    async def _begin(self) -> RevocationChannel:
        position = await self.feed.present()
        return RevocationChannel(position, self.feed.text_of(position), self.most_bytes)

    async def _publish(self, channel: RevocationChannel, *, is_beat: bool) -> bool:
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
    channel: RevocationChannel
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
