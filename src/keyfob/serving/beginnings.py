"""Which request is begun next: a few in each turn of the event loop, each client in its turn."""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

from keyfob.core.addresses import share_of
from keyfob.core.fair_queue import FairQueue
from keyfob.serving.accepting import Peer

Scope = MutableMapping[str, Any]

# Some milliseconds of work: whoever comes next waits for so much, and not for all that has come.
_AT_ONCE = 8


class Beginnings:
    """Lets requests begin, at once while few do.

    Threat: thousands of connections each send a request in the same moment, and all that comes
    after them waits until each was begun. How long a request takes once it has begun makes none
    of the others wait here. A body that comes after its head takes a turn of its own once it is
    whole: thousands that are held back and end in the same moment are the same threat.
    """

    def __init__(self, address_of: Callable[[Scope], str | None]) -> None:
        self._address_of = address_of
        self._begun = 0
        self._is_due = False  # the next turn
        self._waiting: FairQueue[Callable[[], None]] = FairQueue()

    def begin(self, start: Callable[[], None], scope: Scope) -> None:
        """Start a request now or in a later turn of the loop; the clients that wait take turns."""
        if self._begun < _AT_ONCE:
            self._start(start)
        else:
            self._waiting.put(start, share_of(self._address_of(scope)))

    def go_on(self, start: Callable[[], None], scope: Scope | None, peer: Peer) -> None:
        """Go on with what a connection has sent, in a later turn; `scope` once a head has come."""
        address = self._address_of(scope) if scope else peer and peer[0]
        self._waiting.put(start, share_of(address))
        self._see_to_a_turn()

    def _start(self, start: Callable[[], None]) -> None:
        self._see_to_a_turn()
        self._begun += 1
        start()

    def _see_to_a_turn(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._begun = 0
        self._is_due = False
        while self._waiting and self._begun < _AT_ONCE:
            self._start(self._waiting.take())
