"""Reading and starting requests: some in each turn of the event loop; the clients take turns."""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

from keyfob.core.addresses import share_of
from keyfob.core.fair_queue import FairQueue, Share

Scope = MutableMapping[str, Any]

# Some milliseconds of work: a new client waits for these, and not for all that have come.
_AT_ONCE = 8

# The bytes that are parsed in one turn, also some milliseconds: of each read at least and at most
# so many count, since a short one has its price and of a long one the rest waits anyway.
_MOST_READ = 64 * 1024
_LEAST_COUNTED, _MOST_COUNTED = 512, 2 * 1024


class Beginnings:
    """Starts requests, at once while there are few.

    Threat: thousands of connections each send a request at the same moment, and everything later
    has to wait until all of these have begun. The duration of a request after its start does not
    matter here. A body that arrives after its head takes a turn of its own once it is complete:
    thousands of bodies that are held back and completed at the same moment are the same threat. So
    are thousands of reads, refusals and ends that are told to their requests.
    """

    def __init__(self, address_of: Callable[[Scope], str | None]) -> None:
        self._address_of = address_of
        self._begun = 0
        self._read = 0
        self._is_due = False  # the next turn
        self._waiting: FairQueue[Callable[[], None]] = FairQueue()

    def begin(self, start: Callable[[], None], scope: Scope | None, share: Share = ()) -> None:
        """Start a request now or in a later turn of the loop; waiting clients take turns.

        Before there is a `scope`, the client is the one of the connection, whose `share` is given.
        """
        if self._begun < _AT_ONCE:
            self._start(start)
        else:
            self._waiting.put(start, self._share(scope, share))

    def has_room(self, amount: int) -> bool:
        """Count a read of so many bytes; False if it has to wait, because this turn is full."""
        has_room = self._read < _MOST_READ
        self._read += min(max(amount, _LEAST_COUNTED), _MOST_COUNTED)
        return has_room

    def go_on(self, start: Callable[[], None], scope: Scope | None, share: Share) -> None:
        """Continue with a connection's data in a later turn; `scope` is set after its head."""
        self._waiting.put(start, self._share(scope, share))
        self._see_to_a_turn()

    def _share(self, scope: Scope | None, share: Share) -> Share:
        return share_of(self._address_of(scope)) if scope else (*share, "")

    def _start(self, start: Callable[[], None]) -> None:
        self._see_to_a_turn()
        self._begun += 1
        start()

    def _see_to_a_turn(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._begun = self._read = 0
        self._is_due = False
        while self._waiting and self._begun < _AT_ONCE:
            self._start(self._waiting.take())
