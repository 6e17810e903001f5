"""Clients whose `client_id` is the URL of a document of theirs: which URLs, and their ids here.

draft-ietf-oauth-client-id-metadata-document-03 section 3.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

_LONGEST = 500
_REFUSED = frozenset(' \\@#"<>')


@dataclass(frozen=True, kw_only=True)
class DocumentHosts:
    """The hosts whose documents are read: all but the denied ones, or those that are allowed.

    A name like `*.example.com` means every host below `example.com`.
    """

    is_on: bool
    allowed: Sequence[str]
    denied: Sequence[str]

    def takes(self, url: str) -> bool:
        """Tell whether the client of a document may be one of ours."""
        host = (urlsplit(url).hostname or "").rstrip(".")
        if not self.is_on or _is_among(host, self.denied):
            return False
        return not self.allowed or _is_among(host, self.allowed)


def _is_among(host: str, named: Sequence[str]) -> bool:
    return any(
        host.endswith(one.removeprefix("*")) if one.startswith("*.") else host == one
        for one in named
    )


def is_document_url(text: str) -> bool:
    """Tell whether a `client_id` can be the URL of a document.

    It is compared as it is written, so there is one way to write it: in ASCII, with a host in lower
    case, and a path without dot segments.
    """
    if not text.startswith("https://") or len(text) > _LONGEST:
        return False
    if not (text.isascii() and text.isprintable()) or _REFUSED & set(text):
        return False
    try:
        parts = urlsplit(text)
        has_port = parts.port != 0
    except ValueError:
        return False
    segments = parts.path.lower().replace("%2e", ".").split("/")
    has_path = len(parts.path) > 1 and not {".", ".."} & set(segments)
    is_plain = bool(parts.hostname) and parts.netloc == parts.netloc.lower()
    return has_port and has_path and is_plain


def id_of_document(url: str) -> UUID:
    """Return the id here of the client of a document, the same for good.

    A UUIDv8 (RFC 9562 section 5.8) of the URL's SHA-256: any worker knows it without asking.
    """
    digest = int.from_bytes(hashlib.sha256(url.encode()).digest()[:16])
    value = digest & ~(0xF << 76) & ~(0b11 << 62) | 0x8 << 76 | 0b10 << 62
    return UUID(int=value)
