"""Reading base64url and JSON that strangers wrote: one spelling alone, and no name twice."""

import json
from base64 import urlsafe_b64encode
from binascii import a2b_base64
from typing import Any, Never


def from_base64url(text: str) -> bytes:
    """Decode base64url without padding (RFC 7515 section 2), in its canonical form.

    Raises:
        ValueError: it is not base64url, or it could be spelled otherwise. Threat: what remembers
            tokens by their text would take two spellings of one for two.
    """
    standard = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
    data = a2b_base64(standard, strict_mode=True)
    if to_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def to_base64url(data: bytes) -> str:
    """Encode bytes as base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def read_object(data: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValueError: it is none, is nested too deeply, or has a name twice. Threat: two readers of
            one token would each believe another value (RFC 7515 section 4, RFC 7519 section 4).
    """
    try:
        read = json.loads(data, object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(read, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - a stranger's word
    return read


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError("a name stands twice")
    return read


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is no JSON")
