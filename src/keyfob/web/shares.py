"""Lists within a page that are bounded, so read whole, and shown twenty at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from keyfob.web.visit import Visit

SIZE = 20

Item = TypeVar("Item")


@dataclass(frozen=True)
class Share(Generic[Item]):
    """The part of a list that is shown; it begins with the `first` of `total`, counted from 1.

    `previous` and `following` are links to the shares beside it, empty if there is none.
    """

    shown: Sequence[Item]
    first: int
    total: int
    previous: str
    following: str

    @property
    def last(self) -> int:
        """The place of the last one that is shown."""
        return self.first + len(self.shown) - 1


def share_of(visit: Visit, items: Sequence[Item], name: str, path: str) -> Share[Item]:
    """Return the share that a query asks for by its number.

    Args:
        visit: the request.
        items: the whole list.
        name: the parameter, and the id of the part of the page to which the links lead.
        path: the page.
    """
    last = max(1, -(-len(items) // SIZE))
    asked = visit.request.query_params.get(name, "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 5 else 1
    number = min(max(number, 1), last)  # it may have become shorter
    beside = {
        other: f"{visit.link(path, **{name: str(other)})}#{name}" if 1 <= other <= last else ""
        for other in (number - 1, number + 1)
    }
    start = (number - 1) * SIZE
    return Share(
        items[start : start + SIZE],
        start + 1,
        len(items),
        beside[number - 1],
        beside[number + 1],
    )
