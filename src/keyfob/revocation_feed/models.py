"""Places in the feed, and what was read there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

_NOBODY = UUID(int=0)
LAST_ID = UUID(int=2**128 - 1)

# The most open transactions that a position names; it has to fit into a header.
_MOST_OPEN = 64


class Position(NamedTuple):
    """A place up to which a reader has got every revocation, but those of transactions still open.

    Transactions commit in another order than they are numbered. A position therefore names the
    transactions below it that were still open, each of which may yet commit a revocation.

    Args:
        epoch: the database server and its table; another one may give the same numbers again.
        transaction: the number of the transaction up to which revocations were read.
        last_id: the last id that was read of this transaction.
        dropped_keys: the number of signing keys that were dropped.
        open: the transactions below that were open.
        restart: if more were open than a position names, the number from which all is read again
            after the last page; 0: there is no need.
        mark: distinguishes positions that would otherwise be equal though more was read.
    """

    epoch: str = ""
    transaction: int = 0
    last_id: UUID = _NOBODY
    dropped_keys: int = 0
    open: tuple[int, ...] = ()
    restart: int = 0
    mark: str = ""


BEGINNING = Position()


class Revoked(NamedTuple):
    """A revocation with its place in the order of the feed."""

    kind: str
    id: UUID
    generation: int
    expires_at: datetime
    transaction: int

    @property
    def place(self) -> tuple[int, UUID]:
        """The place that a `Position` compares."""
        return self.transaction, self.id


class Reading(NamedTuple):
    """Revocations after a position, and the state of the database, as of one moment.

    Args:
        epoch: see `Position`.
        next_transaction: the lowest number that no transaction has had.
        open: the transactions that were open.
        dropped_keys: the number of signing keys that were ever dropped.
        kids: those of them that may still be believed somewhere, with the time of their end.
        revoked: the revocations in order, at most one more than was asked for.
    """

    epoch: str
    next_transaction: int
    open: tuple[int, ...]
    dropped_keys: int
    kids: Mapping[str, datetime]
    revoked: Sequence[Revoked]

    def continues(self, position: Position) -> bool:
        """Tell whether a position is one of this database, so that nothing is missed after it."""
        return position.epoch == self.epoch and position.transaction < self.next_transaction

    def present(self) -> Position:
        """Return the position of a reader who has got everything."""
        return self._at((self.next_transaction - 1, LAST_ID), restart=0, is_last=True)

    def reached(self, before: Position, at_most: int) -> Position:
        """Return the position after the first `at_most` revocations that were read."""
        read, is_last = self.revoked[:at_most], len(self.revoked) <= at_most
        place = (before.transaction, before.last_id)
        if not is_last:
            place = read[-1].place  # perhaps an earlier one: then some are read again
        elif read:
            place = max(place, read[-1].place)
        return self._at(place, restart=before.restart, is_last=is_last)

    def _at(self, place: tuple[int, UUID], *, restart: int, is_last: bool) -> Position:
        still_open = tuple(sorted(one for one in self.open if one <= place[0]))
        if len(still_open) > _MOST_OPEN:
            below = still_open[0] - 1
            restart, still_open = min(restart or below, below), ()
        if restart and is_last:
            mark = f"{self.next_transaction}.{hash(self.open) & 0xFFFFFFFF:x}"
            return Position(self.epoch, restart, LAST_ID, self.dropped_keys, mark=mark)
        return Position(self.epoch, *place, self.dropped_keys, still_open, restart)


class Page(NamedTuple):
    """A signed document of the feed (`typ: revocations+jwt`), and what it says.

    Args:
        document: the JWT.
        position: the position in it, as text.
        reached: the same position.
        entries: the number of its entries.
        more: whether further entries follow at once.
        continues: whether it follows the position that was asked for; otherwise it begins anew.
    """

    document: bytes
    position: str
    reached: Position
    entries: int
    more: bool
    continues: bool
