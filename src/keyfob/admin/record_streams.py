"""The login log and the audit log as server-sent events, as they grow."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, TypeVar
from uuid import UUID

from prometheus_client import Gauge
from pydantic import BaseModel

from keyfob.admin.models import AuditEventOut
from keyfob.audit.models import ListedEvent
from keyfob.audit.service import Audit
from keyfob.authority.models import Permission
from keyfob.core.clock import Clock
from keyfob.core.events import FellBehind
from keyfob.core.pagination import Cursors
from keyfob.core.problems import InvalidCursor, Problem
from keyfob.core.streams import Channel, Streams, farewell
from keyfob.login_log.models import LoggedAttempt, LoginEventOut
from keyfob.login_log.service import LoginLog

Row = TypeVar("Row", LoggedAttempt, ListedEvent)

OPEN = Gauge(
    "keyfob_record_streams",
    "Open streams of the login log and the audit log.",
    multiprocess_mode="livesum",
)

_KIND_OF_CURSOR = "records"
_HEARTBEAT = "heartbeat"

# Lines of the login log are committed in another order than their times. One that comes later than
# this after a newer one is in the list, but in no stream.
_DISORDER = timedelta(seconds=10)

# The lines in one read, and the most that are known to have been sent.
_AT_ONCE = 500
_MOST_KNOWN = 2000

# The lines that are written in one turn of the event loop: some milliseconds.
_IN_ONE_TURN = 50

# A reader who was away for longer reads the lists again.
_LONGEST_AWAY = timedelta(hours=1)


class Kind(StrEnum):
    """A log; also the name of its events."""

    LOGINS = "logins"
    AUDIT = "audit"

    @property
    def permission(self) -> Permission:
        """The right to read it."""
        return Permission.LOGINS_READ if self is Kind.LOGINS else Permission.AUDIT_READ


class Place(NamedTuple):
    """The newest line of the login log that was sent, and the position of the newest event."""

    at: datetime
    line: UUID
    position: int


class RecordChannel(Channel):
    """The events of a worker from some place on.

    Args:
        place: the present place.
        most_bytes: see `Events`.
    """

    def __init__(self, place: Place, most_bytes: int) -> None:
        super().__init__(most_bytes)
        self.place = place
        self.known: dict[UUID, datetime] = {}
        self.known_from = place.at - _DISORDER
        self.sent_at = place.at

    def know(self, line: LoggedAttempt) -> bool:
        """Remember a line; False if it was known."""
        if line.id in self.known:
            return False
        self.known[line.id] = line.at
        self.place = max(self.place, Place(line.at, line.id, self.place.position))
        return True

    def forget(self) -> None:
        """Forget lines that are read no more; call it once for many lines."""
        while len(self.known) > _MOST_KNOWN:
            self.known_from = max(self.known_from, self.known.pop(next(iter(self.known))))
        self.known_from = max(self.known_from, self.place.at - _DISORDER)
        for old in [one for one, at in self.known.items() if at < self.known_from]:
            del self.known[old]


@dataclass(kw_only=True)
class RecordStreams(Streams[RecordChannel]):
    """Looks each second for new lines while somebody reads, in whatever way revocations are heard.

    The path of a sign-in pays nothing for it: a NOTIFY in each would have them wait for each other
    at the commit.

    `silence`: the time after which a heartbeat is sent.
    """

    logins: LoginLog
    audit: Audit
    cursors: Cursors
    clock: Clock
    name: str = "record streams"
    gauge: Gauge = OPEN
    most: int = 100
    most_of_one: int = 10
    beat: float = 1.0
    pause: float = 0.5
    silence: timedelta = timedelta(seconds=5)

    async def open(
        self,
        reader: UUID,
        last: str | None,
        kinds: Collection[Kind],
        may_still: Callable[[Permission], Awaitable[bool]],
    ) -> "RecordStream":
        """Open a stream; `close` it in any case.

        Args:
            reader: whose streams are counted (`limits.requests.counted_for`).
            last: the id of the last event that it got (`Last-Event-ID`); None: from now on.
            kinds: the logs.
            may_still: tells whether the reader still has a right, asked at each event.

        Raises:
            TooManyRequests: the reader has too many streams.
            Unavailable: this worker has, or it stops; or the database does not answer.
        """
        self.enter(reader)
        try:
            channel = await self._join()
            stream = RecordStream(self, channel, reader, kinds, may_still)
            await stream.catch_up(last)
        except BaseException:
            self.leave(reader)
            raise
        return stream

    def id_of(self, place: Place) -> str:
        """Return a place as the id of an event."""
        at, line, position = place
        return self.cursors.write(_KIND_OF_CURSOR, [at.isoformat(), str(line), str(position)])

    def place_of(self, text: str) -> Place | None:
        """Return the place of an id; None if it is not one of ours, or too old."""
        try:
            at, line, position = self.cursors.read(_KIND_OF_CURSOR, text)
        except InvalidCursor:
            return None
        place = Place(datetime.fromisoformat(at), UUID(line), int(position))
        return place if place.at > self.clock.now() - _LONGEST_AWAY else None

    def write(self, place: Place, kind: Kind, row: LoggedAttempt | ListedEvent) -> bytes:
        """Return a line or an event, in the form of the lists."""
        shown: BaseModel
        if isinstance(row, ListedEvent):
            shown = AuditEventOut.model_validate(AuditEventOut.values_of(row))
        else:
            shown = LoginEventOut.model_validate(LoginEventOut.values_of(row))
        # In ASCII: some readers of streams take U+2028 in a name for the end of a line.
        return _written(kind, self.id_of(place), json.dumps(shown.model_dump(mode="json")))

    async def _begin(self) -> RecordChannel:
        now = self.clock.now()
        position = await self.audit.last_position()
        channel = RecordChannel(Place(now, UUID(int=0), position), self.most_bytes)
        async for line in self._recent(channel):
            channel.know(line)
        return channel

    async def _publish(self, channel: RecordChannel, *, is_beat: bool) -> bool:
        now, before = self.clock.now(), channel.events.end_place
        async for line in self._recent(channel):
            if channel.know(line):
                channel.events.add(Kind.LOGINS, self.write(channel.place, Kind.LOGINS, line))
        events = await self.audit.list_after(channel.place.position, limit=_AT_ONCE)
        async for listed in _in_turns(events):
            channel.place = channel.place._replace(position=listed.event.position)
            channel.events.add(Kind.AUDIT, self.write(channel.place, Kind.AUDIT, listed))
        is_silent = channel.events.end_place == before
        # Also when a revocation was heard of: whoever has lost the right is to notice it now.
        if is_silent and (not is_beat or now - channel.sent_at >= self.silence):
            channel.events.add(_HEARTBEAT, _written(_HEARTBEAT, self.id_of(channel.place), "{}"))
            is_silent = False
        if not is_silent:
            channel.sent_at = now
        return True

    async def _recent(self, channel: RecordChannel) -> AsyncIterator[LoggedAttempt]:
        """Yield the newest lines, the oldest first, also those that are known already.

        Those that are too old to be read again are forgotten after each page.
        """
        after, lines = (channel.known_from, UUID(int=0)), list[LoggedAttempt]()
        while not lines or len(lines) == _AT_ONCE:
            lines = await self.logins.list_after(after, limit=_AT_ONCE)
            async for line in _in_turns(lines):
                yield line
            channel.forget()
            if not lines:
                return
            after = (lines[-1].at, lines[-1].id)


@dataclass
class RecordStream:
    """The stream of one reader, at its own speed."""

    streams: RecordStreams
    channel: RecordChannel
    reader: UUID
    kinds: Collection[Kind]
    may_still: Callable[[Permission], Awaitable[bool]]
    place: int = field(init=False)
    missed: deque[tuple[str, bytes]] = field(default_factory=deque)
    is_lost: bool = False

    def __post_init__(self) -> None:
        self.place = self.channel.events.end_place

    async def catch_up(self, last: str | None) -> None:
        """Read what the reader has missed since an event, up to the place where it joins.

        Only of the logs that it follows. Beyond `_AT_ONCE` lines of one it is lost, and none is
        written.
        """
        streams, present = self.streams, self.channel.place
        since = streams.place_of(last) if last else present
        if since is None:
            self.is_lost = True
            return
        lines, events = await self._followed(since) if last else ([], [])
        self.is_lost = _AT_ONCE in (len(lines), len(events))
        if self.is_lost:
            return
        async for line in _in_turns(lines):
            if (line.at, line.id) <= present[:2]:
                since = since._replace(at=line.at, line=line.id)
                self.missed.append((Kind.LOGINS, streams.write(since, Kind.LOGINS, line)))
        async for listed in _in_turns(events):
            if listed.event.position <= present.position:
                since = since._replace(position=listed.event.position)
                self.missed.append((Kind.AUDIT, streams.write(since, Kind.AUDIT, listed)))
        begin = _written(_HEARTBEAT, streams.id_of(present), "{}")
        self.missed.append((_HEARTBEAT, begin))

    async def _followed(self, since: Place) -> tuple[list[LoggedAttempt], list[ListedEvent]]:
        """Return the first lines after a place, of the logs that the reader follows."""
        lines, events = list[LoggedAttempt](), list[ListedEvent]()
        if Kind.LOGINS in self.kinds:
            lines = await self.streams.logins.list_after(since[:2], limit=_AT_ONCE)
        if Kind.AUDIT in self.kinds:
            events = await self.streams.audit.list_after(since.position, limit=_AT_ONCE)
        return lines, events

    def close(self) -> None:
        """Give back its place."""
        self.streams.leave(self.reader)

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the events: what was missed, then what comes; at last, why it ends."""
        if self.is_lost:
            yield farewell("start-over", "behind")
            return
        try:
            async for name, data in self._all():
                held = [kind for kind in self.kinds if await self.may_still(kind.permission)]
                if not held:
                    yield farewell("closing", "token")
                    return
                if name == _HEARTBEAT or name in held:
                    yield data
            yield farewell(*self.channel.events.ending)
        except FellBehind:
            yield farewell("start-over", "behind")
        except Problem:  # the database is away: as if the connection were cut
            return

    async def _all(self) -> AsyncIterator[tuple[str, bytes]]:
        while self.missed:
            yield self.missed.popleft()
        while (following := await self.channel.events.after(self.place)) is not None:
            self.place += 1
            yield following


async def _in_turns(rows: Sequence[Row]) -> AsyncIterator[Row]:
    """Yield rows, and let other requests go on now and then."""
    for number, row in enumerate(rows):
        if number and number % _IN_ONE_TURN == 0:
            await asyncio.sleep(0)
        yield row


def _written(name: str, event_id: str, data: str) -> bytes:
    return f"event: {name}\nid: {event_id}\ndata: {data}\n\n".encode()
