"""Users' activity, counted from authenticated requests in memory, and written every few seconds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.problems import DatabaseUnavailable
from keyfob.sessions import upkeep_queries


@dataclass(slots=True)
class _Span:
    """The time from a first touch to a last one, and the part of it that counts as active."""

    first: datetime
    last: datetime
    counted: timedelta = timedelta(0)

    def join(self, later: "_Span", idle_gap: timedelta) -> None:
        """Extend to the end of a later span; a pause between them counts up to the idle gap."""
        pause = later.first - self.last
        if timedelta(0) < pause <= idle_gap:
            self.counted += pause
        self.counted += later.counted
        self.last = max(self.last, later.last)


class Activity:
    """Collects touches; each costs two dictionary look-ups and no I/O."""

    def __init__(self, db: Database, clock: Clock, *, idle_gap: timedelta) -> None:
        self._db = db
        self._clock = clock
        self._idle_gap = idle_gap
        self._sessions: dict[UUID, datetime] = {}
        self._users: dict[UUID, _Span] = {}

    def touch(self, user_id: UUID, session_id: UUID) -> None:
        """Record that the user is active now, in that session."""
        now = self._clock.now()
        self._sessions[session_id] = now
        span = self._users.get(user_id)
        if span is None:
            self._users[user_id] = _Span(now, now)
        elif now > span.last:
            pause = now - span.last
            if pause <= self._idle_gap:
                span.counted += pause
            span.last = now

    async def flush(self) -> None:
        """Write the collected touches in one statement; they are kept if that fails.

        Raises:
            DatabaseUnavailable: nothing is lost, the next flush writes them.
        """
        sessions, self._sessions = self._sessions, {}
        users, self._users = self._users, {}
        if not users:
            return
        try:
            await upkeep_queries.update_activity(
                self._db,
                sorted(sessions.items()),
                sorted((user, s.first, s.last, s.counted) for user, s in users.items()),
                self._idle_gap,
            )
        except DatabaseUnavailable:
            self._keep(sessions, users)
            raise

    def _keep(self, sessions: dict[UUID, datetime], users: dict[UUID, _Span]) -> None:
        self._sessions = {**sessions, **self._sessions}
        for user, span in users.items():
            if user in self._users:
                span.join(self._users[user], self._idle_gap)
            self._users[user] = span
