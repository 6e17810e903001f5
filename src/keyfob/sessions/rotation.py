"""Rotations that leave together: refreshes of one moment are one statement (docs/adr/0042)."""

import asyncio
from collections.abc import Mapping
from contextvars import Context
from datetime import timedelta
from uuid import UUID

import structlog

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.problems import DatabaseUnavailable
from keyfob.sessions import rotation_queries
from keyfob.sessions.models import SessionState
from keyfob.sessions.refresh_tokens import RefreshToken

# Where commits wait for a disk, one at a time would wait twice; each more makes them smaller.
_BATCHES_AT_ONCE = 4

# In seconds. A batch takes a few milliseconds; after this time the next no longer waits for it.
_PATIENCE = 0.25

log = structlog.get_logger("keyfob.refresh")

_Turn = asyncio.Future[SessionState | None]
_Batch = dict[UUID, tuple[RefreshToken, _Turn]]


class Rotations:
    """Moves sessions to their next generation; those that are asked for at once leave together.

    A rotation goes alone if no other is asked for in the same turn of the event loop, if its
    session is in the next batch already, if that is full or has waited too long to leave, or if the
    batch did not move its session. Alone, it takes its client's turn for a connection, and waits
    for a row that is locked.

    Threat: one client, or one lock, holds up all others. So a batch waits for no row, and nobody
    waits for more than one batch.
    """

    def __init__(self, db: Database, clock: Clock, *, idle_ttl: timedelta, most: int) -> None:
        """Let at most `most` rotations leave together; with 1, each goes alone."""
        self._db = db
        self._clock = clock
        self._idle_ttl = idle_ttl
        self._most = most
        self._next: _Batch = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._impatience: asyncio.TimerHandle | None = None

    async def rotate(self, token: RefreshToken) -> SessionState | None:
        """Rotate the token's session; None if this token may not do so.

        Raises:
            DatabaseUnavailable: as for any statement.
        """
        return await self._together(token) or await self._alone(token)

    async def _together(self, token: RefreshToken) -> SessionState | None:
        """Wait for a place in a batch and for its result; None if the rotation has to go alone."""
        if len(self._next) >= self._most or token.session_id in self._next:
            return None
        loop = asyncio.get_running_loop()
        if not self._next:
            loop.call_soon(self._leave)
        turn: _Turn = loop.create_future()
        self._next[token.session_id] = token, turn
        return await turn

    async def _alone(self, token: RefreshToken) -> SessionState | None:
        now = self._clock.now()
        return await rotation_queries.rotate_session(
            self._db,
            token.session_id,
            token.generation,
            token.secret_hash,
            now,
            now - self._idle_ttl,
        )

    def _leave(self) -> None:
        """Send the next batch, unless as many as may be are under way."""
        if len(self._next) <= 1:
            self._disband()
        elif len(self._under_way) < _BATCHES_AT_ONCE:
            # In nobody's name: for a connection, it takes the turn of our own work.
            task = asyncio.create_task(self._send(self._take()), context=Context())
            self._under_way.add(task)
            task.add_done_callback(self._arrive)
        elif self._impatience is None:
            loop = asyncio.get_running_loop()
            self._impatience = loop.call_later(_PATIENCE, self._disband)

    def _arrive(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._leave()

    def _disband(self) -> None:
        """Let all that wait for the next batch go alone."""
        _tell(self._take(), {})

    def _take(self) -> _Batch:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None
        batch, self._next = self._next, {}
        return batch

    async def _send(self, batch: _Batch) -> None:
        moved: Mapping[UUID, SessionState] = {}
        try:
            now = self._clock.now()
            asked = [
                (token.session_id, token.generation, token.secret_hash)
                for token, _ in batch.values()
            ]
            moved = await rotation_queries.rotate_sessions(
                self._db, asked, now, now - self._idle_ttl
            )
        except DatabaseUnavailable as fault:
            for _, turn in batch.values():
                if not turn.done():
                    turn.set_exception(fault)
        except Exception:
            log.exception("refreshes_go_alone")
        finally:
            _tell(batch, moved)


def _tell(batch: _Batch, moved: Mapping[UUID, SessionState]) -> None:
    for session_id, (_, turn) in batch.items():
        if not turn.done():  # its client may have left
            turn.set_result(moved.get(session_id))
