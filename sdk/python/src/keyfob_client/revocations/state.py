"""The knowledge of the feed, and its age. It does no I/O."""

import time
from collections.abc import Callable

from keyfob_client.errors import Unavailable
from keyfob_client.judging import RestsOn
from keyfob_client.revocations.document import Document
from keyfob_client.revocations.held import Held

# A clock that continues while the machine sleeps, where there is one.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_NEVER = float("-inf")


class Known:
    """The revocations, the position up to which they are known, and when that was true.

    Entries of a valid document are taken in any case, since they only ever revoke. The position
    moves only along the chain of documents, and never to one that was issued earlier. Threat:
    whoever repeats, holds back or reorders documents can hide a revocation for no longer than by
    cutting the connection, which is noticed.

    Args:
        clock: returns the seconds since 1970.
        leeway: the seconds by which this machine's clock may be wrong.
        fail_open_for: the seconds without contact after which nothing is judged any more.
    """

    def __init__(self, clock: Callable[[], float], *, leeway: int, fail_open_for: float) -> None:
        self._clock = clock
        self._leeway = leeway
        self._fail_open_for = fail_open_for
        self._held = Held()
        self._next: Held | None = None  # all that there are, while they come page by page
        self._newest = 0
        self._contact = (_NEVER, _NEVER)
        self.position: str | None = None

    def __len__(self) -> int:
        return len(self._held)

    @property
    def age(self) -> float:
        """The seconds since everything was known; infinite before the first time.

        Two clocks tell, and the larger age counts: one may be set back, one may stand still.
        """
        wall, steady = self._contact
        return max(self._clock() - wall, time.clock_gettime(_STEADY) - steady)

    @property
    def contact_at(self) -> float | None:
        """The time of the last contact, in seconds since 1970."""
        return None if self._contact[0] == _NEVER else self._contact[0]

    @property
    def is_lost(self) -> bool:
        """True if there was no contact for too long."""
        return self.age > self._fail_open_for

    def check(self) -> None:
        """Refuse to judge without knowing what is revoked.

        Raises:
            Unavailable: there was no contact for too long.
        """
        if self.is_lost:
            raise Unavailable("feed_lost")

    def kills(self, rests_on: RestsOn) -> bool:
        """Tell whether a token that rests on these is revoked."""
        return self._held.kills(rests_on)

    def take(self, document: Document) -> bool:
        """Take what a valid document says; tell whether it follows what was known.

        If it does not, something was missed: ask again with `position`, which has not moved.
        """
        self._held.add(document.entries)
        if self._next is not None:
            self._next.add(document.entries)
        if document.issued_at < self._newest:
            return False
        if document.after is None:
            self._next = Held()
            self._next.add(document.entries)
        elif document.after != self.position:
            return False
        self.position, self._newest = document.position, document.issued_at
        if not document.more:
            self._be_whole(document.issued_at)
        return True

    def _be_whole(self, issued_at: int) -> None:
        if self._next is not None:  # only now: the earlier ones count until all are there
            self._held, self._next = self._next, None
        now = self._clock()
        late = max(0.0, now - issued_at - self._leeway)
        self._contact = (now - late, time.clock_gettime(_STEADY) - late)

    def forget_old(self) -> None:
        """Drop the revocations that concern no token any more."""
        now = self._clock() - self._leeway
        self._held.drop_until(now)
        if self._next is not None:
            self._next.drop_until(now)
