"""The response that carries a stream of server-sent events."""

import time
from collections.abc import AsyncIterator
from typing import Protocol

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

EVENTS = "text/event-stream"


class Stream(Protocol):
    """An open stream."""

    def events(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None:
        """Give back its place."""


class EventStream(StreamingResponse):
    """A stream that begins at once, and whose place is free again when it ends."""

    def __init__(self, stream: Stream) -> None:
        # A proxy such as nginx would collect the events otherwise.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(stream.events(), headers=headers, media_type=EVENTS)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["answered_at"] = time.perf_counter()  # what follows is no time of a request
        try:
            if scope.get("is_head"):  # without a body there is nothing to wait for
                await Response(headers=self.headers)(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            self._stream.close()
