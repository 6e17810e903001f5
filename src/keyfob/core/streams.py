"""Streams of server-sent events: what a worker follows once, and sends to all its readers."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections import Counter
from contextvars import Context
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

import structlog
from prometheus_client import Gauge

from keyfob.core.events import Events
from keyfob.core.problems import Problem, TooManyRequests, Unavailable

log = structlog.get_logger("keyfob.streams")

# The seconds until a stream that was refused may be tried again.
_RETRY_AFTER = 5


def farewell(name: str, reason: str) -> bytes:
    """Return the last event of a stream (WHATWG HTML section 9.2)."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), json.dumps({"reason": reason}).encode())


class Channel:
    """The events of a worker from some place on."""

    def __init__(self, most_bytes: int) -> None:
        self.events = Events(most_bytes)


C = TypeVar("C", bound=Channel)


@dataclass(kw_only=True)
class Streams(ABC, Generic[C]):
    """Follows something while it has readers, and makes each event once for all of them.

    Args:
        name: the name in the log.
        gauge: shows the number of open streams.
        most: the most streams of this worker.
        most_of_one: the most of one client or user. Services have many processes; a program that
            opens streams in a loop has no end.
        most_bytes: the bytes by which a reader may be behind; they are kept once for all readers.
        beat: the seconds between two looks at the database at the latest.
        pause: the seconds between two looks at least; the first one after silence is at once.
    """

    name: str
    gauge: Gauge
    most: int
    most_of_one: int
    most_bytes: int = 4 * 1024 * 1024
    beat: float = 5.0
    pause: float = 0.05
    readers: Counter[UUID] = field(default_factory=Counter)
    _channel: C | None = None
    _joining: asyncio.Lock = field(default_factory=asyncio.Lock)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _is_stopping: bool = False

    @abstractmethod
    async def _begin(self) -> C:
        """Return a channel from the present on; raise `DatabaseUnavailable` if that is away."""

    @abstractmethod
    async def _publish(self, channel: C, *, is_beat: bool) -> bool:
        """Send what is new to all readers; tell whether anything was sent.

        `is_beat`: nothing was heard of, but it is time for a sign of life.
        """

    def wake(self) -> None:
        """Look at the database now, since something has been heard of."""
        self._news.set()

    def stop(self) -> None:
        """End all streams in order, before the server waits for its last requests."""
        self._is_stopping = True
        if self._channel:
            self._channel.events.end("closing", "stopping")

    async def close(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def enter(self, reader: UUID) -> None:
        """Take a place for a stream, which `leave` gives back.

        Raises:
            TooManyRequests: the reader has too many streams.
            Unavailable: this worker has, or it stops.
        """
        if self._is_stopping or self.readers.total() >= self.most:
            raise Unavailable("Too many streams are open", retry_after=_RETRY_AFTER)
        if self.readers[reader] >= self.most_of_one:
            raise TooManyRequests(_RETRY_AFTER)
        self.readers[reader] += 1
        self.gauge.set(self.readers.total())

    def leave(self, reader: UUID) -> None:
        """Give back the place of a stream."""
        self.readers -= Counter({reader: 1})
        self.gauge.set(self.readers.total())

    async def _join(self) -> C:
        async with self._joining:
            if self._channel is None or self._channel.events.has_ended:
                self._channel = await self._begin()
                # In a context of its own: it is no part of the request that came first.
                self._task = asyncio.create_task(
                    self._follow(self._channel), name=self.name, context=Context()
                )
            return self._channel

    async def _follow(self, channel: C) -> None:
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
            log.exception("streams_failed", streams=self.name)
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
