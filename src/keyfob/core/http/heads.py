"""Checks of a request's headers, before a byte of its body is read."""

import re
from collections.abc import Mapping

from starlette.types import Message, Receive, Scope

from keyfob.core.problems import (
    BadRequest,
    BodyTooLarge,
    UnsupportedEncoding,
    UnsupportedTransferCoding,
)

_TELLING = frozenset(
    {
        b"host",
        b"content-length",
        b"authorization",
        b"transfer-encoding",
        b"content-encoding",
        b"cookie",
        b"sec-fetch-site",
    }
)

_PAGES = ("/ui/", "/console/")
_MORE_PAGES = frozenset({"/ui", "/console", "/oauth2/authorize", "/oauth2/logout"})
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# A page of another origin, as browsers say it (Fetch Metadata, section 2.3).
_OTHER_SITES = frozenset({b"cross-site", b"same-site"})

# The characters of a URL's host and port (RFC 3986 section 3.2); the grammar is not checked.
_HOST = re.compile(rb"[\w.:\[\]%~!$&'()*+,;=-]*\Z", re.ASCII)
_TOKEN_IN_QUERY = re.compile(rb"(?:^|&)(?:access_token|refresh_token|token)=")

# The connection cannot be trusted any more, or the rest is not worth reading.
_CLOSE = {"Connection": "close"}


def bounded(scope: Scope, receive: Receive, most: int, *, is_named: bool) -> Receive:
    """Refuse malformed or hostile requests; return a `receive` for at most `most` bytes of body.

    `is_named`: the request is of a page whose origin may read the response. Our own pages judge
    origins themselves, and get `scope["cookies"]`.

    Raises:
        BadRequest: more or fewer of a header than HTTP allows, a token in the query, or a change
            that a page of another site asks for.
        BodyTooLarge: the body is declared too large, or its length cannot be read.
        UnsupportedEncoding, UnsupportedTransferCoding: the body is encoded.
    """
    is_page = _is_page(scope["path"].removeprefix(scope["root_path"]))
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _TELLING:
            found[name] = value if name not in found else _join(name, found[name], value)
    if b"cookie" in found:
        # Pages parse them on their own; FastAPI would do it for each request: with CVE-2024-7592
        # in Python, that can take seconds.
        scope["headers"] = [one for one in scope["headers"] if one[0] != b"cookie"]
        if is_page:
            scope["cookies"] = found[b"cookie"]
    _check_host(scope["http_version"], found)
    if not is_named and not is_page and scope["method"] in _CHANGING:
        _check_site(found)
    if scope["query_string"] and _TOKEN_IN_QUERY.search(scope["query_string"]):
        raise BadRequest("A token does not belong in a query; use the Authorization header")
    if b"content-length" in found or b"transfer-encoding" in found:
        return _bound_body(found, receive, most)
    return receive


def _is_page(path: str) -> bool:
    return path.startswith(_PAGES) or path in _MORE_PAGES


def _join(name: bytes, first: bytes, second: bytes) -> bytes:
    """Join a header that is repeated, if it may be a list (RFC 9110 section 5.3)."""
    if name == b"authorization":
        raise BadRequest("There are two Authorization headers")
    if name == b"host":
        raise BadRequest("There are two Host headers", headers=_CLOSE)
    # HTTP/2 splits cookies, and a proxy may pass the parts on (RFC 9113 section 8.2.3).
    return first + (b"; " if name == b"cookie" else b", ") + second


def _check_host(version: str, found: Mapping[bytes, bytes]) -> None:
    host = found.get(b"host")
    if version != "1.1":
        _check_version(version, found)
    elif host is None:
        raise BadRequest("There is no Host header", headers=_CLOSE)
    if host and not _HOST.match(host):
        raise BadRequest("The Host header names no host", headers=_CLOSE)


def _check_site(found: Mapping[bytes, bytes]) -> None:
    """Threat: a page of any site uses up the limits of its visitor's address.

    No preflight comes before a POST without a body, or with that of a form.
    """
    if found.get(b"sec-fetch-site") in _OTHER_SITES:
        raise BadRequest("A page of an origin that is not registered for this calls it")


def _check_version(version: str, found: Mapping[bytes, bytes]) -> None:
    if version != "1.0":
        raise BadRequest("This is not HTTP/1.1", headers=_CLOSE)
    # A proxy that old does not see where such a body ends (RFC 9112 section 6.1).
    if b"transfer-encoding" in found:
        raise BadRequest("HTTP/1.0 has no Transfer-Encoding", headers=_CLOSE)


def _bound_body(found: Mapping[bytes, bytes], receive: Receive, most: int) -> Receive:
    length = found.get(b"content-length")
    encoding = found.get(b"content-encoding", b"").strip().lower()
    coding = found.get(b"transfer-encoding")
    if encoding not in {b"", b"identity"} and length != b"0":
        raise UnsupportedEncoding(headers={**_CLOSE, "Accept-Encoding": "identity"})
    if length is not None and not _fits(length, most):
        raise BodyTooLarge(headers=_CLOSE)
    if coding is None:
        return receive
    if coding.strip().lower() != b"chunked":
        raise UnsupportedTransferCoding(headers=_CLOSE)
    return _counting(receive, most)


def _fits(length: bytes, most: int) -> bool:
    # More digits than any body needs are refused unread: int() raises for thousands of them.
    return len(length) < 16 and length.isdigit() and int(length) <= most


def _counting(receive: Receive, most: int) -> Receive:
    """Limit a body that does not declare its length."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise BodyTooLarge(headers=_CLOSE)
        return message

    return counted
