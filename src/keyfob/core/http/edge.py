"""The outermost layer, in plain ASGI: every request passes it before and after its route."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keyfob.core.addresses import set_asker
from keyfob.core.http.clients import Clients
from keyfob.core.http.cors import Cors, answers_preflight
from keyfob.core.http.heads import bounded
from keyfob.core.http.hot import HotCall, HotRoute
from keyfob.core.http.problems import answer_for
from keyfob.core.outages import Outages
from keyfob.core.problems import Problem
from keyfob.core.secrets import random_text
from keyfob.core.telemetry import set_request_id

REQUESTS = Histogram(
    "keyfob_request_seconds",
    "Requests by route, method and status, with their latency in seconds.",
    ["route", "method", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

log = structlog.get_logger("keyfob.http")

# Threat: a client that repeats at once, whatever Retry-After says, takes time from others, and from
# password hashes, whose threads have the lowest priority. So it can repeat 25 times a second on a
# connection, not 2,000.
HELD_SECONDS = 0.04
_COME_BACK_LATER = frozenset({429, 503})

# A page decides what it may do; an API response may do nothing (OWASP ASVS 3.2.1).
CSP = (
    b"content-security-policy",
    b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
)
NO_STORE = (b"cache-control", b"no-store")
REFERRER = (b"referrer-policy", b"no-referrer")
_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
]

_JSON = (b"content-type", b"application/json")

_REQUEST_ID = re.compile(rb"[\w.:-]{8,128}\Z", re.ASCII)

# The most characters of a path in the log; the second is for a path with characters that JSON
# writes as six bytes each. Threat: one client fills the disk with log lines.
_LONGEST_PATH_IN_LOG, _LONGEST_ESCAPED = 256, 40

# Successful requests to these are counted but not logged: they would drown everything else.
_QUIET = frozenset(
    {"/me", "/refresh", "/oauth2/token", "/oauth2/introspect", "/health/live", "/health/ready"}
)


def always_sent(*, hsts: str | None) -> list[tuple[bytes, bytes]]:
    """Return headers that no response can change.

    `CSP`, `NO_STORE` and `REFERRER`, or those of the response, come beside.

    `hsts` is the value of Strict-Transport-Security, if it is to be sent.
    """
    strict = [(b"strict-transport-security", hsts.encode())] if hsts else []
    return [*_ALWAYS, *strict]


class Edge:
    """Identifies a request, finds its path, limits its body, and makes sure that it is answered."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        root_path: str,
        max_body_bytes: int,
        larger: Mapping[tuple[str, str], int],
        clients: Clients,
        hsts: str | None,
        cors_origins: Sequence[str],
        is_of_browser_app: Callable[[bytes], bool],
        hot: Mapping[tuple[str, str], HotRoute],
    ) -> None:
        self._app = app
        self._root_path = root_path
        self._max_body = max_body_bytes
        self._larger = larger
        self._clients = clients
        self._cors = Cors(cors_origins, is_of_browser_app)
        self._always = always_sent(hsts=hsts)
        self._hot = hot
        self._outages = Outages()
        self._observers: dict[tuple[str, str, int], Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            scope, send = _as_get(scope, send)
        path = self._settle_path(scope)
        granted = self._cors.grants(path, scope["headers"])
        answer = _Answer(send, self._name_request(scope), self._always_at(path) + granted)
        started = time.perf_counter()
        try:
            place = (scope["method"], path)
            most = self._larger.get(place, self._max_body)
            receive = bounded(scope, receive, most, is_named=bool(granted))
            told = answers_preflight(path, scope["method"], scope["headers"]) if granted else None
            hot = self._hot.get(place)
            if told is not None:
                await answer.send_nothing(told)
            elif hot is None:
                await self._app(scope, receive, answer.send)
            else:
                scope["route"] = hot
                await answer.send_json_of(hot, HotCall(scope, receive))
        except Problem as problem:
            await answer.refuse(problem, scope, receive)
        except Exception:
            log.exception("unexpected_error", path=scope["path"])
            await answer.refuse(Problem(), scope, receive)
        finally:
            ended = scope.get("answered_at") or time.perf_counter()  # of a stream: its beginning
            self._observe(scope, answer.status, ended - started)

    def _always_at(self, path: str) -> list[tuple[bytes, bytes]]:
        return [*self._always, *self._cors.always(path)]

    def _name_request(self, scope: Scope) -> str:
        """Set client and id of the request; the X-Request-ID of a trusted proxy, or a new one."""
        set_asker(partial(self._clients.address_of, scope))
        request_id = ""
        given = next((v for n, v in scope["headers"] if n == b"x-request-id"), b"")
        if _REQUEST_ID.match(given) and self._clients.is_proxy(scope):
            request_id = given.decode("ascii")
        request_id = request_id or random_text(12)
        set_request_id(request_id)
        return request_id

    def _settle_path(self, scope: Scope) -> str:
        """Accept paths with and without the root path, with and without a trailing slash."""
        path: str = scope["path"]
        root = self._root_path
        if root and (path == root or path.startswith(root + "/")):
            scope["root_path"] = root
            bare = path[len(root) :]
        else:
            scope["root_path"] = ""
            root, bare = "", path
        if bare.endswith("/") and bare != "/":
            bare = bare.rstrip("/")
        bare = bare or "/"
        scope["path"] = root + bare
        return bare

    def _observe(self, scope: Scope, status: int, seconds: float) -> None:
        if status == 503 and "problem" in scope:
            self._outages.tell_problem(scope["problem"])
        route = scope.get("route")
        path: str = getattr(route, "path", "unmatched")
        key = (path, scope["method"] if route and status != 405 else "ANY", status)
        observer = self._observers.get(key)
        if observer is None:
            observer = self._observers[key] = REQUESTS.labels(*key)
        observer.observe(seconds)
        if status >= 400 or path not in _QUIET:
            log.info(
                "request",
                method=scope["method"],
                path=_shown(scope["path"]),
                status=status,
                milliseconds=round(seconds * 1000, 1),
            )


def _shown(path: str) -> str:
    is_plain = path.isascii() and path.isprintable()
    return path[: _LONGEST_PATH_IN_LOG if is_plain else _LONGEST_ESCAPED]


class _Answer:
    """Adds the headers that every response has, and remembers whether it has begun."""

    def __init__(self, send: Send, request_id: str, always: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._request_id = request_id.encode()
        self._always = always
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status in _COME_BACK_LATER:
                await asyncio.sleep(HELD_SECONDS)
            headers = message["headers"] = list(message.get("headers", ()))
            given = {name for name, _ in headers}
            if b"content-security-policy" not in given:
                headers.append(CSP)
            if b"cache-control" not in given:
                headers.append(NO_STORE)
            if b"referrer-policy" not in given:
                headers.append(REFERRER)
            headers.append((b"x-request-id", self._request_id))
            headers.extend(self._always)
        await self._send(message)

    async def send_json_of(self, hot: HotRoute, call: HotCall) -> None:
        """Send a 200 response with the JSON that a hot route returns, and what it tells besides."""
        body = await hot.handler(call)
        self.status = 200
        length = (b"content-length", b"%d" % len(body))
        name = (b"x-request-id", self._request_id)
        headers = [_JSON, length, CSP, NO_STORE, REFERRER, name, *self._always, *call.told]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def send_nothing(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Send a 204 response."""
        await self.send({"type": "http.response.start", "status": 204, "headers": headers})
        await self.send({"type": "http.response.body", "body": b""})

    async def refuse(self, problem: Problem, scope: Scope, receive: Receive) -> None:
        """Send a refusal, unless a response has already begun."""
        scope["problem"] = problem
        if self.status == 0:
            await answer_for(problem, scope)(scope, receive, self.send)


def _as_get(scope: Scope, send: Send) -> tuple[Scope, Send]:
    """Answer a HEAD request as its GET, without the body (RFC 9110 section 9.3.2)."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return {**scope, "method": "GET", "is_head": True}, send_head
