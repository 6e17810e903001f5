"""One guarded HTTP/1.1 connection: uvicorn's protocol, bounded in time, size and number."""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from keyfob.cli.serving.answers import WholeAnswers
from keyfob.cli.serving.lifetime import GuardedLifetime
from keyfob.cli.serving.refusals import HeadTooLarge
from keyfob.core.problems import BadRequest, MethodNotAllowed, Problem

MAX_HEAD = 32 * 1024
MAX_HEADERS = 100
# Each waiting request holds a few KiB, and one read brings thousands of the smallest.
MAX_PIPELINED = 32

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})

# Named, because `super()` costs as much as what these do, with every request.
_uvicorn = HttpToolsProtocol

_whole_answers = WholeAnswers()


class GuardedProtocol(GuardedLifetime):
    """Closes clients that are slow to send or to read, and bounds heads and pipelines.

    uvicorn bounds none of these: a half-open request stays until the client leaves, and so does a
    connection that sends a line break between two requests.
    """

    _chunk = 0  # bytes of the latest read
    _framing = b""  # the lines that tell where the body ends, of a request that offers an upgrade
    _has_head = False  # the parser reports a head that we made for it

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._chunk = len(data)
        self._unused += self._chunk
        try:
            self._feed(data)
        except httptools.HttpParserError as fault:
            cause = fault.__context__
            self._refuse(cause if isinstance(cause, Problem) else BadRequest())
            return
        if self._in_body or self.scope is not self._settled:
            self._await_rest()
        elif not self.cycle.response_complete:
            self._guard.works(self)
        elif not self._guard.is_idle(self):
            # Answered before it had come whole.
            self._guard.rests(self, self.loop.time())

    def _await_rest(self) -> None:
        if self._unused > MAX_HEAD:
            self._refuse(HeadTooLarge())
        elif not self._guard.is_unfinished(self):
            # Set at the first byte and not moved by the next ones: trickling buys no time.
            self._guard.owes(self, self.loop.time(), self._guard.bounds.request_timeout)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            # It may be ignored (RFC 9110 section 7.8): what follows is still of this protocol.
            if self._framing:
                self._expect_body()
            if rest := data[offer.args[0] :]:
                self._feed(rest)

    def _expect_body(self) -> None:
        """Read on with a parser that has not heard of the offer.

        The one that has takes a body for the next request: a way to smuggle one in.
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

    # What the parser reports

    def on_headers_complete(self) -> None:
        if self._has_head:
            return
        if self._unused > MAX_HEAD or self._chunk > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            self._check_size()
        if self.pipeline or self.parser.should_upgrade():
            self._check_manners()
        _uvicorn.on_headers_complete(self)
        self._in_body = True
        self._settled = self.scope
        # Trailers are no headers (RFC 9110 section 6.5.1); uvicorn would add them to the request's.
        self.headers = []
        self.cycle.transport = self._exit  # type: ignore[assignment] # the part that a cycle uses
        if self._guard.draining:
            self.cycle.keep_alive = False
        self.scope["extensions"] = _whole_answers.extension(self.cycle)

    # A Problem raised in here reaches `data_received` as the context of the parser's own error.

    def _check_size(self) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if len(self.headers) > MAX_HEADERS or len(self.url) + size > MAX_HEAD:
            raise HeadTooLarge

    def _check_manners(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            raise BadRequest("Too many requests were sent ahead of their answers")
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise MethodNotAllowed
            told = [header for header in self.headers if header[0] in _FRAMING]
            self._framing = b"".join(b"%s: %s\r\n" % header for header in told)

    def on_body(self, body: bytes) -> None:
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._framing:
            return
        self._in_body = False
        self._unused = 0
        _uvicorn.on_message_complete(self)

    # What the response does

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._finished:
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._deaf:
            self._finish()
        elif self._is_whole():
            self._guard.rests(self, self.loop.time())

    def pause_writing(self) -> None:
        super().pause_writing()
        self._guard.stalls(self, self.loop.time())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._guard.flows(self)
