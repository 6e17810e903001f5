"""Connections by client, and the choice of one to close when there is no place for another."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from keyfob.core.addresses import Network, is_trusted, networks_of, parse_address
from keyfob.core.fair_queue import Share

# The seconds in which a new, silent connection is not closed in favour of a newer one.
_PATIENCE = 1.0

# The number of idle connections to examine for one to which no request was just sent.
_MOST_LOOKS = 8

# At most so many clients divide the places among them. If there are more, each may have such a
# part: a browser with six connections is not greedy because others have one.
_MOST_PARTS = 64

_PROXIES: Share = ("proxies",)


class Connection(Protocol):
    """A connection, as this module sees it; times are the event loop's."""

    share: Share
    crowd: "Crowd | None"
    places: "Places"
    since: float
    deadline: float
    stalled_until: float

    def is_called(self) -> bool:
        """Tell whether bytes have arrived that are not read yet."""

    def expire(self, now: float) -> None:
        """Close the connection after a deadline."""

    def shed(self) -> None:
        """Close the connection, whatever it is doing: its place is needed."""


Places = tuple[OrderedDict[Connection, None], ...]


class Waiting:
    """Connections of which something is awaited, the longest waiting first."""

    def __init__(self, answer_timeout: float) -> None:
        self._answer_timeout = answer_timeout
        self.unfinished: OrderedDict[Connection, None] = OrderedDict()
        self.idle: OrderedDict[Connection, None] = OrderedDict()
        self.stalled: OrderedDict[Connection, None] = OrderedDict()

    def least_missed(self, now: float) -> Connection | None:
        """Return the connection to close in favour of another; None if all are at work.

        Half-open ones go first, then those whose clients do not receive responses, in each case the
        oldest, so that neither kind can keep others out. Very new ones are spared while there are
        idle ones, so that idle ones cannot keep others out either.
        """
        unfinished, stalled = next(iter(self.unfinished), None), next(iter(self.stalled), None)
        if unfinished and now - unfinished.since > _PATIENCE:
            return unfinished
        if stalled and now - stalled.stalled_until + self._answer_timeout > _PATIENCE:
            return stalled
        # Closing one to which a request was sent would lose that request.
        idle = (each for each in islice(self.idle, _MOST_LOOKS) if not each.is_called())
        return next(idle, None) or unfinished or stalled


class Crowd(Waiting):
    """The connections of one client, or a network with the crowds within it."""

    def __init__(self, everyone: Waiting, answer_timeout: float) -> None:
        super().__init__(answer_timeout)
        self.size = 0
        self.within: dict[str, Crowd] = {}
        self.members: OrderedDict[Connection, None] = OrderedDict()  # the newest last
        self.all_unfinished = (everyone.unfinished, self.unfinished)
        self.all_idle = (everyone.idle, self.idle)
        self.all_stalled = (everyone.stalled, self.stalled)

    def largest(self) -> "Crowd":
        """Return the client with the most connections, in the largest network at each level."""
        if not self.within:
            return self
        return max(self.within.values(), key=_size_of).largest()


class Crowds:
    """Counts connections per client, and decides which one has to give way.

    A single client may have every place. Threat: when others need places, one client has all of
    them, from as many addresses as its network has.
    """

    def __init__(self, places: int, answer_timeout: float) -> None:
        self._places = places
        self._answer_timeout = answer_timeout
        self._everyone = Waiting(answer_timeout)
        self._root = Crowd(self._everyone, answer_timeout)
        self._large: dict[str, Crowd] = {}  # those that may have more than a fair share

    def join(self, connection: Connection) -> None:
        """Count a connection for its client."""
        crowd = self._root
        for name in connection.share:
            if name not in crowd.within:
                crowd.within[name] = Crowd(self._everyone, self._answer_timeout)
            crowd = crowd.within[name]
            crowd.size += 1
        crowd.members[connection] = None
        connection.crowd = crowd
        self._note_size(connection.share)

    def leave(self, connection: Connection) -> None:
        """Stop counting a connection."""
        if connection.crowd is None:
            return
        del connection.crowd.members[connection]
        connection.crowd = None
        around = self._root
        for name in connection.share:
            crowd = around.within[name]
            crowd.size -= 1
            if not crowd.size:
                del around.within[name]
            around = crowd
        self._note_size(connection.share)

    def giving_way(self, newcomer: Connection, now: float) -> Connection | None:
        """Return the connection that gives way to a new one; None if the new one itself has to.

        It belongs to the client with the most, even if it is at work, if that client has more than
        a fair share. A new connection of such a client displaces only one of its own, and none that
        is at work.
        """
        fair = max(1, self._places // min(len(self._root.within), _MOST_PARTS))
        name = newcomer.share[0]
        largest = self._large.get(name)
        if largest is None or largest.size <= fair:
            largest = max(self._large.values(), key=_size_of, default=None)
        if largest is None or largest.size <= fair:
            return self._everyone.least_missed(now)
        client = largest.largest()
        least = client.least_missed(now)
        if least is None and client is not newcomer.crowd:
            least = next(reversed(client.members))
        return least

    def _note_size(self, share: Share) -> None:
        client = self._root.within.get(share[0])
        if client is None or client.size <= self._places // _MOST_PARTS:
            self._large.pop(share[0], None)
        elif share is not _PROXIES:
            self._large[share[0]] = client


def share_of_peer(address: str | None, proxies: Sequence[Network]) -> Share:
    """Return the nested networks of a client, the largest first.

    A trusted proxy, or a client of a unix socket (None), carries everybody's requests, so its
    connections are never too many.
    """
    parsed = parse_address(address) if address is not None else None
    if address is None or is_trusted(parsed, proxies):
        return _PROXIES
    return tuple(reversed(networks_of(str(parsed))))


def _size_of(crowd: Crowd) -> int:
    return crowd.size
