"""The response that carries a stream of server-sent events."""

from collections.abc import AsyncIterator
from typing import Protocol

from keyfob.core.http.streams import LongAnswer

EVENTS = "text/event-stream"


class Stream(Protocol):
    """An open stream."""

    def events(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None:
        """Give back its place."""


class EventStream(LongAnswer):
    """A stream whose place is free again when it ends."""

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream.events(), media_type=EVENTS, close=stream.close)
