"""Cross-origin reading of responses (Fetch standard, section 3.2).

Configured origins may read all of the API but for `/oauth2`, where apps in browsers may, each at
the origin of its redirect URIs.

A token decides what a request may do, no browser adds it by itself, and
`Access-Control-Allow-Credentials` is never sent. Pages of other origins change nothing (`heads`).
"""

from collections.abc import Callable, Sequence

Headers = list[tuple[bytes, bytes]]

# Public keys and metadata are for everybody.
_PUBLIC = "/.well-known/"
# An app in a browser has a token there, which alone opens it.
_USERINFO = "/oauth2/userinfo"
_OAUTH = "/oauth2/"
# What an app in a browser calls, which has no secret. Anything else there is for clients with
# secrets, which do not belong in browsers, or a page of ours.
_OF_BROWSER_APPS = frozenset({"/oauth2/token", "/oauth2/revoke", "/oauth2/par"})
_ANYBODY = [(b"access-control-allow-origin", b"*")]
_VARIES = [(b"vary", b"Origin")]
_EXPOSED = (
    b"access-control-expose-headers",
    b"X-Request-ID, WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy, Link, "
    b"X-Total-Count, X-Total-Capped, Location, ETag, Content-Disposition, DPoP-Nonce",
)
_METHODS = (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE")
_PUBLIC_METHODS = (b"access-control-allow-methods", b"GET")
_PREFLIGHT = [
    (
        b"access-control-allow-headers",
        b"authorization, content-type, dpop, if-none-match, last-event-id, x-request-id",
    ),
    (b"access-control-max-age", b"7200"),  # the most that Chromium accepts
]


class Cors:
    """Decides which CORS headers a response gets."""

    def __init__(self, origins: Sequence[str], is_of_browser_app: Callable[[bytes], bool]) -> None:
        self._is_of_browser_app = is_of_browser_app
        self._origins = {origin.encode(): _to(origin.encode()) for origin in origins}

    def always(self, path: str) -> Headers:
        """Headers of every response: a cache must not give one origin's response to another."""
        return _VARIES if self._origins or path in _OF_BROWSER_APPS else []

    def grants(self, path: str, headers: Sequence[tuple[bytes, bytes]]) -> Headers:
        """Return the headers that let the page of this origin read the response, if it may."""
        if path.startswith(_PUBLIC):
            return _ANYBODY
        if path == _USERINFO:
            return [*_ANYBODY, _EXPOSED]
        is_of_browser_apps = path in _OF_BROWSER_APPS
        if not is_of_browser_apps and (not self._origins or path.startswith(_OAUTH)):
            return []
        named = [value for name, value in headers if name == b"origin"]
        if len(named) != 1:
            return []
        if is_of_browser_apps:
            return _to(named[0]) if self._is_of_browser_app(named[0]) else []
        return self._origins.get(named[0], [])


def _to(origin: bytes) -> Headers:
    return [(b"access-control-allow-origin", origin), _EXPOSED]


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
