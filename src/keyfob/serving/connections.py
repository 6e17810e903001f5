"""The open connections of one worker: their deadlines, and which one is closed first."""

import asyncio
import math
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from keyfob.serving.crowds import Connection, Crowds, Places

# The seconds between two checks of deadlines. Deadlines are set that much earlier, so they hold.
TICK = 0.25

# The most connections that are closed in one turn of the event loop because their time is up.
_MOST_ENDS = 32

# The seconds that a connection gets at a stop, for a request that was already on its way.
FAREWELL = 0.5

# The seconds that a client gets at a stop for the rest of a request, and each time that it does not
# receive its response as fast as it is written.
HURRY = 3.0

# The seconds for the client to receive the end of a response, or to stop sending, at the end.
LINGER = 1.0


@dataclass(frozen=True)
class Bounds:
    """The limits of a connection; times in seconds."""

    max_connections: int
    request_timeout: float  # for a complete request, headers and body, from its first byte
    answer_timeout: float  # for each 48 KiB of a response that has filled its buffer
    idle_timeout: float  # between two requests


class Connections:
    """Keeps every connection in one of three states, so that a request costs only few dict moves.

    *unfinished*: the client owes us (the rest of) a request; *idle*: between two requests; *at
    work*: a complete request is here, and the application has its own time-outs. In any state a
    connection can also be *stalled*: its client does not receive the response. One check of all
    deadlines every TICK replaces a timer for each request.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.draining = False
        self._crowds = Crowds(bounds.max_connections, bounds.answer_timeout)

    def admit(self, connection: Connection, count: int, now: float) -> bool:
        """Add a new connection, the `count`th; False if there is no place for it."""
        self._crowds.join(connection)
        has_place = count <= self.bounds.max_connections or self._displace(connection, now)
        self.owes(connection, now, FAREWELL if self.draining else self.bounds.request_timeout)
        return has_place

    def owes(self, connection: Connection, now: float, seconds: float) -> None:
        """Wait for a client, at most so many seconds from now."""
        if connection.crowd is not None:  # otherwise it has given way already
            _move(connection, connection.crowd.all_unfinished)
        connection.since = now
        connection.deadline = now + seconds - TICK

    def awaits(self, connection: Connection, now: float) -> None:
        """Wait for the rest of a request."""
        self.owes(connection, now, HURRY if self.draining else self.bounds.request_timeout)

    def works(self, connection: Connection) -> None:
        """Record that a complete request is here."""
        _move(connection, ())
        connection.deadline = math.inf

    def rests(self, connection: Connection, now: float) -> None:
        """Wait for the next request of a connection."""
        if connection.crowd is not None:
            _move(connection, connection.crowd.all_idle)
        connection.deadline = now + (FAREWELL if self.draining else self.bounds.idle_timeout)

    def stalls(self, connection: Connection, now: float) -> None:
        """Record that a client does not receive the response as fast as it is written."""
        if connection.crowd is not None:
            for place in connection.crowd.all_stalled:
                place[connection] = None
        connection.stalled_until = now + (HURRY if self.draining else self.bounds.answer_timeout)

    def flows(self, connection: Connection) -> None:
        """Record that the client has received more of it."""
        _take_out_of_stalled(connection)
        connection.stalled_until = math.inf

    def forget(self, connection: Connection) -> None:
        """Record that the connection is closed, or about to be."""
        _take_out_of_stalled(connection)
        _move(connection, ())
        self._crowds.leave(connection)

    def is_idle(self, connection: Connection) -> bool:
        """Tell whether a connection is between two requests."""
        return connection.crowd is not None and connection.places is connection.crowd.all_idle

    def is_unfinished(self, connection: Connection) -> bool:
        """Tell whether a client owes us a request."""
        crowd = connection.crowd
        return crowd is not None and connection.places is crowd.all_unfinished

    def watch(self, loop: asyncio.AbstractEventLoop, everyone: Collection[Connection]) -> None:
        """Check the deadlines from now on, as long as the loop runs."""
        now = loop.time()
        due = iter([each for each in everyone if _is_due(each, now)])

        def go_on() -> None:
            """End some of those that are due, and the rest in later turns of the loop.

            Threat: thousands of connections have the same deadline; each end takes 0.1 ms.
            """
            now = loop.time()
            few = list(islice(due, _MOST_ENDS))
            if few:
                loop.call_soon(go_on)
            else:
                loop.call_later(TICK, self.watch, loop, everyone)
            for connection in few:
                if _is_due(connection, now):
                    connection.expire(now)

        go_on()

    def _displace(self, newcomer: Connection, now: float) -> bool:
        """Close a connection in favour of a new one; False if the new one has to go itself."""
        least = self._crowds.giving_way(newcomer, now)
        if least is None:
            return False
        self.forget(least)  # otherwise several that come at once would close the same one
        least.shed()
        return True


def _is_due(connection: Connection, now: float) -> bool:
    return connection.deadline <= now or connection.stalled_until <= now


def _take_out_of_stalled(connection: Connection) -> None:
    if connection.crowd is not None:
        for place in connection.crowd.all_stalled:
            place.pop(connection, None)


def _move(connection: Connection, places: Places) -> None:
    for place in connection.places:
        del place[connection]
    connection.places = places
    for place in places:
        place[connection] = None
