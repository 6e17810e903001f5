"""The feed of the tests' issuer: it says what a test lets it say, in the order that it likes."""

import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler
from queue import Empty, Queue
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.issuer import Answer, Issuer, as_json

Entry = dict[str, Any]
_CUT = object()


class Feed:
    """Entries of an issuer in order; a position is their number within an epoch."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.entries: list[Entry] = []
        self.epoch = "e1"
        self.page = 5000
        self.polls: list[str | None] = []
        self.resumed: list[str | None] = []
        self.tokens_given = 0
        self.answers_polls = True
        self.answers_streams = True
        self.instead: list[str] = []  # answers of polls to give before true ones
        self._streams: list[Queue[Any]] = []
        self._changing = threading.Lock()
        self.url = f"{issuer.url}/revocations"
        issuer.metadata |= {
            "keyfob_revocations_endpoint": self.url,
            "keyfob_revocations_stream_endpoint": f"{self.url}/stream",
        }
        issuer.routes |= {
            "/auth/oauth2/token": self._give_token,
            "/auth/revocations": self._poll,
            "/auth/revocations/stream": self._stream,
        }

    def entry(self, **what: Any) -> Entry:
        return {**what, "exp": int(time.time()) + 900}

    def revoke(self, **what: Any) -> None:
        """Revoke, and tell all streams."""
        with self._changing:
            before = self.position
            self.entries.append(self.entry(**what))
            self.say("revocations", self.sign(after=before, entries=self.entries[-1:]))

    def begin_epoch(self) -> None:
        """Forget everything, as a restored database does."""
        with self._changing:
            self.epoch, self.entries = secrets.token_hex(2), []

    @property
    def position(self) -> str:
        return self.position_at(len(self.entries))

    def position_at(self, number: int) -> str:
        return f"{self.epoch}-{number}"

    def claims(self, **differs: Any) -> dict[str, Any]:
        now = int(time.time())
        usual = {
            "iss": self.issuer.url,
            "aud": self.url,
            "iat": now,
            "exp": now + 30,
            "jti": secrets.token_urlsafe(16),
            "position": self.position,
            "entries": [],
            "more": False,
        }
        claims = {**usual, **differs}
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, **differs: Any) -> str:
        return self.issuer.key.sign(self.claims(**differs), typ="revocations+jwt")

    def document_after(self, position: str | None) -> tuple[str, str, bool]:
        """Return what follows a position: the document, its own position, and if there is more."""
        epoch, _, number = (position or "").partition("-")
        begins = epoch != self.epoch
        first = 0 if begins else int(number)
        until = min(len(self.entries), first + self.page)
        told = {"complete": True} if begins else {"after": position}
        then, more = self.position_at(until), until < len(self.entries)
        document = self.sign(position=then, entries=self.entries[first:until], more=more, **told)
        return document, then, more

    def say(self, event: str, data: str) -> None:
        """Send an event to all streams."""
        for stream in self._streams:
            stream.put(f"event: {event}\ndata: {data}\n\n".encode())

    def say_raw(self, data: bytes) -> None:
        for stream in self._streams:
            stream.put(data)

    def beat(self) -> None:
        self.say("heartbeat", self.sign(after=self.position))

    def cut(self) -> None:
        """Close every stream."""
        for stream in self._streams:
            stream.put(_CUT)

    @property
    def streams(self) -> int:
        return len(self._streams)

    def _give_token(self, request: BaseHTTPRequestHandler) -> Answer:
        length = int(request.headers["Content-Length"])
        form = parse_qs(request.rfile.read(length).decode())
        if request.headers["Authorization"] is None and "client_assertion" not in form:
            return as_json({"error": "invalid_client"}, 401)
        self.tokens_given += 1
        return as_json(
            {
                "access_token": f"token-{self.tokens_given}",
                "token_type": "Bearer",
                "expires_in": 300,
            }
        )

    def _poll(self, request: BaseHTTPRequestHandler) -> Answer:
        asked = parse_qs(urlsplit(request.path).query).get("after", [None])[0]
        self.polls.append(asked)
        if not self.answers_polls:
            return 503, {"Retry-After": "1"}, b""
        if self.instead:
            return 200, {"Content-Type": "application/jwt"}, self.instead.pop(0).encode()
        with self._changing:
            document, _, _ = self.document_after(asked)
        return 200, {"Content-Type": "application/jwt"}, document.encode()

    def _stream(self, request: BaseHTTPRequestHandler) -> Answer | None:
        if not self.answers_streams:
            return 503, {"Retry-After": "1"}, b""
        resumed = request.headers["Last-Event-ID"]
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Connection", "close")
        request.end_headers()
        stream: Queue[Any] = Queue()
        with self._changing:
            self._catch_up(stream, resumed)
            self._streams.append(stream)
            self.resumed.append(resumed)  # from now on it hears what is said
        try:
            while (said := stream.get()) is not _CUT:
                request.wfile.write(said)
        except OSError:
            pass
        finally:
            self._streams.remove(stream)
        return None

    def _catch_up(self, stream: "Queue[Any]", position: str | None) -> None:
        more = True
        while more:
            document, position, more = self.document_after(position)
            stream.put(f"event: revocations\nid: {position}\ndata: {document}\n\n".encode())


__all__ = ["Empty", "Feed"]
