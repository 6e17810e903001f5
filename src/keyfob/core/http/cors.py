"""Cross-origin reading of responses (Fetch standard, section 3.2), mostly for configured origins.

A token decides what a request may do, no browser adds it by itself, and
`Access-Control-Allow-Credentials` is never sent. Pages of other origins change nothing (`heads`).
"""

from collections.abc import Sequence

Headers = list[tuple[bytes, bytes]]

# Public keys and metadata are for everybody.
_PUBLIC = "/.well-known/"
# An app in a browser has a token there, which alone opens it.
_USERINFO = "/oauth2/userinfo"
# Secrets of clients do not belong in browsers, so no page may read what they are given.
_NOBODY = "/oauth2/"
_ANYBODY = [(b"access-control-allow-origin", b"*")]
_EXPOSED = (
    b"access-control-expose-headers",
    b"X-Request-ID, WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy, Link, "
    b"X-Total-Count, X-Total-Capped, Location, ETag, Content-Disposition",
)
_METHODS = (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE")
_PUBLIC_METHODS = (b"access-control-allow-methods", b"GET")
_PREFLIGHT = [
    (
        b"access-control-allow-headers",
        b"authorization, content-type, if-none-match, last-event-id, x-request-id",
    ),
    (b"access-control-max-age", b"7200"),  # the most that Chromium accepts
]


class Cors:
    """Decides which CORS headers a response gets."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = {
            origin.encode(): [(b"access-control-allow-origin", origin.encode()), _EXPOSED]
            for origin in origins
        }

    @property
    def always(self) -> Headers:
        """Headers of every response: a cache must not give one origin's response to another."""
        return [(b"vary", b"Origin")] if self._origins else []

    def grants(self, path: str, headers: Sequence[tuple[bytes, bytes]]) -> Headers:
        """Return the headers that let the page of this origin read the response, if it may."""
        if path.startswith(_PUBLIC):
            return _ANYBODY
        if path == _USERINFO:
            return [*_ANYBODY, _EXPOSED]
        if not self._origins or path.startswith(_NOBODY):
            return []
        named = [value for name, value in headers if name == b"origin"]
        return self._origins.get(named[0], []) if len(named) == 1 else []


def answers_preflight(
    path: str, method: str, headers: Sequence[tuple[bytes, bytes]]
) -> Headers | None:
    """Return the headers of the response to a preflight; None if the request is not one."""
    asks = method == "OPTIONS" and any(
        name == b"access-control-request-method" for name, _ in headers
    )
    if not asks:
        return None
    return [_PUBLIC_METHODS if path.startswith(_PUBLIC) else _METHODS, *_PREFLIGHT]
