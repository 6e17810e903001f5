"""Which pages of other origins may read answers (Fetch standard, section 3.2): those named.

Nothing else depends on it: what a request may do is decided by its token, which no browser adds by
itself, and `Access-Control-Allow-Credentials` is never sent.
"""

from collections.abc import Sequence

Headers = list[tuple[bytes, bytes]]

# Public keys and metadata are for everybody.
_PUBLIC = "/.well-known/"
_ANYBODY = [(b"access-control-allow-origin", b"*")]
_EXPOSED = (
    b"access-control-expose-headers",
    b"X-Request-ID, WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy, Link, "
    b"X-Total-Count, Location, ETag, Content-Disposition",
)
_METHODS = (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE")
_PUBLIC_METHODS = (b"access-control-allow-methods", b"GET")
_PREFLIGHT = [
    (
        b"access-control-allow-headers",
        b"authorization, content-type, if-none-match, last-event-id, x-request-id",
    ),
    (b"access-control-max-age", b"7200"),  # the most that Chromium keeps to
]


class Cors:
    """Tells what an answer grants to whom."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = {
            origin.encode(): [(b"access-control-allow-origin", origin.encode()), _EXPOSED]
            for origin in origins
        }

    @property
    def always(self) -> Headers:
        """What every answer carries: a cache must not give one origin's answer to another."""
        return [(b"vary", b"Origin")] if self._origins else []

    def grants(self, path: str, headers: Sequence[tuple[bytes, bytes]]) -> Headers:
        """Return the headers that let the asking page read the answer, if it may."""
        if path.startswith(_PUBLIC):
            return _ANYBODY
        if not self._origins:
            return []
        named = [value for name, value in headers if name == b"origin"]
        return self._origins.get(named[0], []) if len(named) == 1 else []


def answers_preflight(
    path: str, method: str, headers: Sequence[tuple[bytes, bytes]]
) -> Headers | None:
    """Return what a preflight is told; None where it is none."""
    asks = method == "OPTIONS" and any(
        name == b"access-control-request-method" for name, _ in headers
    )
    if not asks:
        return None
    return [_PUBLIC_METHODS if path.startswith(_PUBLIC) else _METHODS, *_PREFLIGHT]
