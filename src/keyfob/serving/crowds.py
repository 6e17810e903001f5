"""Whose connections are whose, and which is missed least where there is no room for another."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from keyfob.core.addresses import Network, is_trusted, networks_of, parse_address
from keyfob.core.fair_queue import Share

# Seconds in which a connection that has not said anything yet is not closed for a newer one.
_PATIENCE = 1.0

# Idle connections to look at for one that has not just been sent a request.
_MOST_LOOKS = 8

# So many clients at most divide the places among them. Where there are more, each may have that
# part: a browser that opens six connections is not greedy because others have one.
_MOST_PARTS = 64

_PROXIES: Share = ("proxies",)


class Connection(Protocol):
    """What the book knows of a connection; times are the event loop's."""

    share: Share
    crowd: "Crowd | None"
    places: "Places"
    since: float
    deadline: float
    stalled_until: float

    def is_called(self) -> bool:
        """Tell whether bytes have arrived that are not read yet."""

    def expire(self, now: float) -> None:
        """Close: a deadline has passed."""

    def shed(self) -> None:
        """Close, whatever is under way: the place is needed for another."""


Places = tuple[OrderedDict[Connection, None], ...]


class Waiting:
    """The connections that we wait for, those that have waited longest first."""

    def __init__(self, answer_timeout: float) -> None:
        self._answer_timeout = answer_timeout
        self.unfinished: OrderedDict[Connection, None] = OrderedDict()
        self.idle: OrderedDict[Connection, None] = OrderedDict()
        self.stalled: OrderedDict[Connection, None] = OrderedDict()

    def least_missed(self, now: float) -> Connection | None:
        """Return the connection to close for another; None when every one is at work.

        Half-open ones go first, then those whose clients take no answers, the oldest of each, so
        that neither can keep others out; those younger than a moment are spared while there are
        idle ones, so that idle ones cannot either.
        """
        unfinished, stalled = next(iter(self.unfinished), None), next(iter(self.stalled), None)
        if unfinished and now - unfinished.since > _PATIENCE:
            return unfinished
        if stalled and now - stalled.stalled_until + self._answer_timeout > _PATIENCE:
            return stalled
        # To close one that has been called would lose somebody's request.
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
        """Return the client with the most connections in the largest network, down to the last."""
        if not self.within:
            return self
        return max(self.within.values(), key=_size_of).largest()


class Crowds:
    """Counts connections by client as they come and go, and says whose has to give way.

    Alone, a client may have every place. Threat: where others need room, one client has taken all
    of it, from as many addresses as one network has.
    """

    def __init__(self, places: int, answer_timeout: float) -> None:
        self._places = places
        self._answer_timeout = answer_timeout
        self._everyone = Waiting(answer_timeout)
        self._root = Crowd(self._everyone, answer_timeout)
        self._large: dict[str, Crowd] = {}  # those that may have more than a fair share

    def join(self, connection: Connection) -> None:
        """Count a connection as its client's."""
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
        """Count it no more."""
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
        """Return the connection that gives way to one more; None where that one itself does.

        It is one of the client with the most, even at work, if that has more than a fair share.
        A newcomer of such a client displaces its own alone, and none that is at work.
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
    """Return the networks whose connection it is, the largest first.

    A trusted proxy, and whoever comes over a unix socket (None), brings everybody's requests, so
    its connections are never too many.
    """
    parsed = parse_address(address) if address is not None else None
    if address is None or is_trusted(parsed, proxies):
        return _PROXIES
    return tuple(reversed(networks_of(str(parsed))))


def _size_of(crowd: Crowd) -> int:
    return crowd.size
