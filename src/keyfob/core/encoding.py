"""base64url without padding (RFC 4648 section 5, RFC 7515 section 2), in its canonical form."""

from base64 import urlsafe_b64encode
from binascii import a2b_base64


def to_base64url(data: bytes) -> bytes:
    """Encode bytes as base64url."""
    return urlsafe_b64encode(data).rstrip(b"=")


def from_base64url(text: str) -> bytes:
    """Decode the output of `to_base64url`.

    Raises:
        ValueError: it is not base64url, or not the canonical form. Threat: a token that can be
            spelled in two ways evades whatever remembers tokens by their text.
    """
    standard = text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)
    data = a2b_base64(standard, strict_mode=True)
    if to_base64url(data) != text.encode("ascii"):
        raise ValueError("not canonical base64url")
    return data
