"""The open connections of one worker: which of them we wait for, until when, and who goes first."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

# How often deadlines are looked at. They are set this much early, so they are never overrun.
TICK = 0.25

# Seconds that a connection gets at a stop to bring a request that was already on its way.
FAREWELL = 0.5

# Seconds for the other side to take the last of an answer, or to stop sending, once we are done.
LINGER = 1.0

# Seconds in which a connection that has not said anything yet is not closed for a newer one.
_PATIENCE = 1.0


@dataclass(frozen=True)
class Bounds:
    """What a connection may take; times in seconds."""

    max_connections: int
    request_timeout: float  # for a whole request, headers and body, from its first byte
    answer_timeout: float  # for 48 KiB of an answer that has filled its buffer
    idle_timeout: float  # between two requests


class Connection(Protocol):
    """What the book knows of a connection; times are the event loop's."""

    since: float
    deadline: float
    stalled_until: float
    place: "OrderedDict[Connection, None] | None"

    def expire(self, now: float) -> None:
        """Close: a deadline has passed."""

    def shed(self) -> None:
        """Close: the place is needed for another."""


class Connections:
    """Keeps every connection in one of three states, so that a whole request costs two dict moves.

    *unfinished*: the client owes us (the rest of) a request; *idle*: between two requests;
    *at work*: a whole request is here, and the application has its own time-outs. In any of them a
    connection may be *stalled* as well: its client does not take what is answered. One look
    around every TICK takes the place of a timer for each request.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.draining = False
        self._unfinished: OrderedDict[Connection, None] = OrderedDict()
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._stalled: OrderedDict[Connection, None] = OrderedDict()

    def admit(self, connection: Connection, count: int, now: float) -> bool:
        """Take in a new connection, the `count`th; False when there is no room for it."""
        room = count <= self.bounds.max_connections or self._make_room(now)
        self.owes(connection, now, FAREWELL if self.draining else self.bounds.request_timeout)
        return room

    def owes(self, connection: Connection, now: float, seconds: float) -> None:
        """Wait for a client, at most so many seconds from now."""
        self._move(connection, self._unfinished)
        connection.since = now
        connection.deadline = now + seconds - TICK

    def works(self, connection: Connection) -> None:
        """Note that a whole request is here."""
        if connection.place is not None:  # here and below, what `_move` does, on the hot path
            del connection.place[connection]
            connection.place = None
        connection.deadline = math.inf

    def rests(self, connection: Connection, now: float) -> None:
        """Wait for the next request of a connection that we know."""
        if connection.place is not None:
            del connection.place[connection]
        connection.place = self._idle
        self._idle[connection] = None
        connection.deadline = now + (FAREWELL if self.draining else self.bounds.idle_timeout)

    def stalls(self, connection: Connection, now: float) -> None:
        """Note that a client does not take what is answered as fast as it comes."""
        self._stalled[connection] = None
        connection.stalled_until = now + self.bounds.answer_timeout

    def flows(self, connection: Connection) -> None:
        """Note that it has taken some again."""
        self._stalled.pop(connection, None)
        connection.stalled_until = math.inf

    def forget(self, connection: Connection) -> None:
        """Note that the connection is gone."""
        self._move(connection, None)
        self._stalled.pop(connection, None)

    def is_idle(self, connection: Connection) -> bool:
        """Tell whether a connection is between two requests."""
        return connection.place is self._idle

    def is_unfinished(self, connection: Connection) -> bool:
        """Tell whether a client owes us a request."""
        return connection.place is self._unfinished

    def watch(self, loop: asyncio.AbstractEventLoop, everyone: Collection[Connection]) -> None:
        """Look at the deadlines from now on, as long as the loop runs."""
        now = loop.time()
        for connection in list(everyone):
            if connection.deadline <= now or connection.stalled_until <= now:
                connection.expire(now)
        loop.call_later(TICK, self.watch, loop, everyone)

    def _make_room(self, now: float) -> bool:
        """Close the connection that is missed least; False when every one is at work.

        Half-open ones go first, then those whose clients take no answers, the oldest of each, so
        that neither can keep others out; those younger than a moment are spared while there are
        idle ones, so that idle ones cannot either.
        """
        unfinished, stalled, idle = (
            next(iter(place), None) for place in (self._unfinished, self._stalled, self._idle)
        )
        least = unfinished or stalled
        if unfinished and now - unfinished.since > _PATIENCE:
            least = unfinished
        elif stalled and now - self._stalled_since(stalled) > _PATIENCE:
            least = stalled
        elif idle:
            least = idle
        if least:
            self.forget(least)  # else several that come at once would close the same one
            least.shed()
        return least is not None

    def _stalled_since(self, connection: Connection) -> float:
        return connection.stalled_until - self.bounds.answer_timeout

    @staticmethod
    def _move(connection: Connection, place: "OrderedDict[Connection, None] | None") -> None:
        if connection.place is not None:
            del connection.place[connection]
        connection.place = place
        if place is not None:
            place[connection] = None
