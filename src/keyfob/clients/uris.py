"""Checks of a resource's identifier, and of a client's keys, when they are registered."""

from typing import Any
from urllib.parse import urlsplit

_MOST_KEYS = 10
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def ensure_resource(identifier: str) -> str:
    """Return an absolute URI without fragment (RFC 8707 section 2).

    Raises:
        ValueError: it is not such a URI.
    """
    parts = urlsplit(identifier)
    if not parts.scheme or not (parts.netloc or parts.path) or "#" in identifier:
        raise ValueError("should be an absolute URI without fragment")
    if any(sign.isspace() for sign in identifier) or not identifier.isascii():
        raise ValueError("should be a URI: ASCII, without spaces")
    return identifier


def ensure_jwks_uri(uri: str) -> str:
    """Return an https URL at which a client publishes its keys.

    Raises:
        ValueError: it is not such a URL.
    """
    parts = urlsplit(ensure_resource(uri))
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise ValueError("should be an https URL, without a user")
    return uri


def ensure_jwks(jwks: dict[str, Any]) -> dict[str, Any]:
    """Return a JWK Set of public keys (RFC 7517 section 5).

    Raises:
        ValueError: it is not a JWK Set, or has a private key, or too many keys.
    """
    keys = jwks.get("keys")
    if set(jwks) != {"keys"} or not isinstance(keys, list) or not 1 <= len(keys) <= _MOST_KEYS:
        raise ValueError(f"should be a JWK Set of 1 to {_MOST_KEYS} keys")
    for key in keys:
        members = key.keys() if isinstance(key, dict) else set()
        if "kty" not in members:
            raise ValueError("should have keys that are JWKs")
        if _PRIVATE_MEMBERS & members:
            raise ValueError("should have public keys alone; this one is to be made anew")
    return jwks
