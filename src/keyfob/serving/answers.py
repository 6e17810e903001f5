"""Answers that are here whole, written in one piece."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from keyfob.core.http.whole import WHOLE

Headers = Sequence[tuple[bytes, bytes]]


class WholeAnswers:
    """Does for a whole 200 what uvicorn's `send` does in two calls, header by header.

    Taking apart and checking fourteen headers that we wrote ourselves costs more than signing half
    a token. What `send` does besides is done here as well: it is the same connection.
    """

    def __init__(self) -> None:
        self._given: Headers = ()
        self._begin = b""

    def extension(self, cycle: RequestResponseCycle) -> dict[str, dict[object, Any]]:
        """Return the ASGI extension that answers this request: see `core.http.whole`."""
        return {WHOLE: {"answer": partial(self._answer, cycle)}}

    def _answer(self, cycle: RequestResponseCycle, head: bytes, body: bytes) -> bool:
        if cycle.flow.write_paused or cycle.response_started:
            return False
        if cycle.disconnected:
            return True
        cycle.response_started = cycle.response_complete = True
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        cycle.transport.write(b"".join((self._beginning(cycle), head, end, body)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True

    def _beginning(self, cycle: RequestResponseCycle) -> bytes:
        # The server makes a new list each second, with the date.
        if self._given is not cycle.default_headers:
            self._given = cycle.default_headers
            lines = (b"%s: %s\r\n" % header for header in cycle.default_headers)
            self._begin = b"".join((b"HTTP/1.1 200 OK\r\n", *lines))
        return self._begin
