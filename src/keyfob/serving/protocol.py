"""One guarded HTTP/1.1 connection: uvicorn's protocol, with limits of time, size and number."""

from functools import partial

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from keyfob.core.problems import BadRequest, BodyTooLarge, MethodNotAllowed, Problem
from keyfob.serving.beginnings import Scope
from keyfob.serving.lifetime import GuardedLifetime
from keyfob.serving.refusals import HeadTooLarge, log_fault

MAX_HEAD = 32 * 1024
MAX_HEADERS = 100
# The most bytes that may be sent ahead of a response. Each connection may hold that much.
MAX_AHEAD = 8 * 1024

# The bytes of a connection that are parsed before others have their turn: some tenths of a
# millisecond, or a complete request in most cases. A body with a declared length costs almost
# nothing per byte, so it is not counted.
_MOST_BYTES = 2 * 1024
_MOST_PIECES = 256
# The most pieces of one request: each costs some microseconds, and no honest body has so many empty
# lines.
_MOST_PIECES_OF_ONE = 1024
# The most bytes that may wait for a turn: more than a complete request has, without a body of
# declared length.
_MOST_WAITING = 128 * 1024

_END_OF_HEAD = b"\r\n\r\n"

_LENGTH = b"content-length"
_FRAMING = frozenset({_LENGTH, b"transfer-encoding"})

# Named, because `super()` costs as much as these methods, with every request.
_uvicorn = HttpToolsProtocol


class GuardedProtocol(GuardedLifetime):
    """Closes slow clients, limits heads, and handles one request at a time.

    uvicorn limits none of these: a half-open request stays until the client leaves, and so does a
    connection that sends a line break between two requests; everything that one read brings is
    parsed.
    """

    _head_is_new = False  # it came with the current read
    _pieces = 0  # of the request that is being parsed
    _left = 0  # the bytes of body that are still to come, if a length was declared
    _framing = b""  # the headers that delimit the body of a request that offers an upgrade
    _has_head = False  # the parser reports a head that we made for it

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._head_is_new = False
        try:
            self._parse(data)
        except (httptools.HttpParserError, Problem) as fault:
            self._refuse_in_turn(fault)
            return
        except Exception as fault:  # noqa: BLE001 - uvloop would log it with a traceback
            self._refuse(Problem())
            log_fault(fault)
            return
        if self._in_body or self.scope is not self._settled:
            self._await_rest()
        elif not self.cycle.response_complete:
            self._guard.works(self)
        elif self._kept:
            self._await_rest()
        elif not self._guard.is_idle(self):
            # Answered before it had arrived completely.
            self._guard.rests(self, self.loop.time())

    def _await_rest(self) -> None:
        if not self._guard.is_unfinished(self):
            # Set at the first byte and not moved by later ones: sending slowly buys no time.
            self._guard.awaits(self, self.loop.time())

    def _parse(self, data: bytes) -> None:
        """Parse data to the end of one request, and keep the rest until that is answered.

        Threats: one read brings thousands of requests, each of which takes a few KiB when parsed.
        Or it brings 64,000 line breaks, headers or chunks, which take 100 ms to parse, and a
        hundred connections bring such reads at once. Or thousands bring short ones. So longer work
        is continued later, and the clients take turns.

        Raises:
            HeadTooLarge, BodyTooLarge: the incomplete part is too long already.
        """
        start = pieces = 0
        parsed = 0 if self._beginnings.has_room(len(data)) else _MOST_BYTES
        while start < len(data):
            if self._is_at_work():
                self._keep_some(data[start:])
                return
            if parsed >= _MOST_BYTES or pieces == _MOST_PIECES:
                self._wait_for_turn(data[start:])
                return
            is_told = self._in_body and self._left
            piece = data[start : self._cut(data, start)]
            self._unused += len(piece)
            pieces += 1
            self._pieces += 1
            parsed += 0 if is_told else len(piece)
            start += self._feed(piece)
            if not self._is_whole():
                self._check_progress()

    def _check_progress(self) -> None:
        if self._unused > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            raise HeadTooLarge
        if self._pieces > _MOST_PIECES_OF_ONE:
            raise BodyTooLarge if self._in_body else HeadTooLarge

    def _cut(self, data: bytes, start: int) -> int:
        """Return an index in the data before which no request ends.

        A request ends with its head, after its declared length, or with its chunks, which also end
        with an empty line (RFC 9112 sections 6.3 and 7.1).
        """
        if self._in_body and self._left:
            return start + self._left
        before = len(_END_OF_HEAD) - 1
        if start < before and (self._in_body or self._unused):
            return start + 1  # the end may be divided between two reads
        # It may also be divided between two pieces.
        found = data.find(_END_OF_HEAD, max(0, start - before), start + _MOST_BYTES)
        return start + _MOST_BYTES if found < 0 else found + len(_END_OF_HEAD)

    def _wait_for_turn(self, rest: bytes) -> None:
        if len(rest) - self._left > _MOST_WAITING:
            raise BodyTooLarge if self._in_body else HeadTooLarge
        self._keep(rest)
        self._beginnings.go_on(self._go_on, self._scope_if_known(), self.share)

    def _go_on(self) -> None:
        """Parse data that has waited for its turn, unless a response or the end came before."""
        kept = self._take_kept()
        if kept and not self._deaf:
            self.data_received(kept)

    def _refuse_in_turn(self, fault: Exception) -> None:
        cause = fault if isinstance(fault, Problem) else fault.__context__
        refuse = partial(self._refuse, cause if isinstance(cause, Problem) else BadRequest())
        self._deaf = True
        self._beginnings.begin(refuse, self._scope_if_known(), self.share)

    def _scope_if_known(self) -> Scope | None:
        return self.cycle.scope if self._in_body else None  # type: ignore[return-value] # a dict

    def _feed(self, piece: bytes) -> int:
        """Parse a piece, and return the number of bytes used."""
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as offer:
            # An offer may be ignored (RFC 9110 section 7.8): the following data is still HTTP/1.1.
            if self._framing:
                self._expect_body()
            return int(offer.args[0])
        return len(piece)

    def _keep_some(self, data: bytes) -> None:
        if len(data) <= MAX_AHEAD:
            self._keep(data)
        else:
            self._deaf = True  # it closes after the response

    def _expect_body(self) -> None:
        """Continue with a parser that does not know of the offer.

        The first parser would take the body for the next request, which permits request smuggling.
        """
        head = b"POST / HTTP/1.1\r\n%s\r\n" % self._framing
        self._framing = b""
        self._unused = 0
        self._has_head = True
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(head)
        self._has_head = False
        self.scope = self.cycle.scope
        self.headers = []

    # Events of the parser

    def on_headers_complete(self) -> None:
        if self._has_head:
            return
        if self._unused > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            self._check_size()
        if self.parser.should_upgrade():
            self._take_offer()
        self._left = next((int(size) for name, size in self.headers if name == _LENGTH), 0)
        _uvicorn.on_headers_complete(self)
        self._in_body = self._head_is_new = True
        self._settled = self.scope
        # Trailers are not headers (RFC 9110 section 6.5.1); uvicorn would add them to the
        # request's.
        self.headers = []
        self.cycle.transport = self._exit  # type: ignore[assignment] # the part that a cycle uses
        if self._guard.draining:
            self.cycle.keep_alive = False

    # A Problem raised here reaches `data_received` as the context of the parser's own error.

    def _check_size(self) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.headers) > MAX_HEADERS or len(self.url) + size > MAX_HEAD:
            raise HeadTooLarge

    def _take_offer(self) -> None:
        if self.parser.get_method() == b"CONNECT":
            raise MethodNotAllowed
        told = [header for header in self.headers if header[0] in _FRAMING]
        self._framing = b"".join(b"%s: %s\r\n" % header for header in told)

    def on_body(self, body: bytes) -> None:
        self._unused = 0
        self._left = max(0, self._left - len(body))
        _uvicorn.on_body(self, body)

    def on_message_complete(self) -> None:
        if self._framing:
            return
        self._in_body = False
        self._unused = self._pieces = 0
        if self._head_is_new:
            _complete(self.cycle)
        else:
            # The head took the first turn. The work begins once the body is complete.
            complete = partial(_complete, self.cycle)
            self._beginnings.begin(complete, self.cycle.scope)  # type: ignore[arg-type] # a dict

    # Events of the response

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._finished:
            return
        if self._in_body:
            # Nobody will take it up. It would keep reading paused, and the connection, for ever.
            self.cycle.body.clear()
        kept = self._take_kept()
        if self._deaf:
            self._finish()
        elif kept:
            self.data_received(kept)
        elif self._is_whole():
            self._guard.rests(self, self.loop.time())

    def pause_writing(self) -> None:
        super().pause_writing()
        self._guard.stalls(self, self.loop.time())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._guard.flows(self)


def _complete(cycle: RequestResponseCycle) -> None:
    """Tell a request that its body is complete."""
    cycle.more_body = False
    cycle.message_event.set()
