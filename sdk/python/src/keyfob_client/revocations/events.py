"""Reading server-sent events (HTML, section 9.2.6), in bounded memory."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_LINE_END = re.compile(rb"\r\n|\n|\r(?=.)", re.DOTALL)  # a last \r may be half of \r\n
_LONGEST_EVENT = 4 * 1024 * 1024


class Event(NamedTuple):
    """One event; without a name of its own it is a message."""

    name: str
    data: str


class EventReader:
    """Turns the bytes of a stream into events, in whatever parts they arrive.

    Args:
        longest: the most bytes of an event.
    """

    def __init__(self, longest: int = _LONGEST_EVENT) -> None:
        self._longest = longest
        self._unread = bytearray()
        self._searched = 0
        self._name = "message"
        self._data: list[str] = []
        self._size = 0

    def read(self, part: bytes) -> Iterator[Event]:
        """Yield the events that are complete with this part.

        Raises:
            ValueError: an event is too long, or is not UTF-8.
        """
        self._unread += part
        while found := _LINE_END.search(self._unread, self._searched):
            line = bytes(self._unread[: found.start()])
            del self._unread[: found.end()]
            self._searched = 0
            if event := self._take(line.decode("utf-8")):
                yield event
        self._searched = max(0, len(self._unread) - 1)
        if self._size + len(self._unread) > self._longest:
            raise ValueError("an event is too long")

    def _take(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        self._size += len(line)
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        return None  # comments, ids, and what nobody knows are left out

    def _dispatch(self) -> Event | None:
        event = Event(self._name, "\n".join(self._data)) if self._data else None
        self._name, self._data, self._size = "message", [], 0
        return event
