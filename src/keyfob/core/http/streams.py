"""Long answers: sent line by line while they come about."""

import time
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send


class LongAnswer(StreamingResponse):
    """A stream that begins at once, and calls `close` when it ends, however that is."""

    def __init__(
        self,
        lines: AsyncIterator[bytes],
        *,
        media_type: str,
        close: Callable[[], object],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # A proxy such as nginx would collect the lines otherwise.
        sent = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})}
        super().__init__(lines, headers=sent, media_type=media_type)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["answered_at"] = time.perf_counter()  # what follows is no time of a request
        try:
            if scope.get("is_head"):  # without a body there is nothing to wait for
                await Response(headers=self.headers)(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            self._close()
