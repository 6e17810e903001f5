"""Checks of a resource's identifier, and of a client's keys, when they are registered."""

from typing import Any
from urllib.parse import urlsplit

from keyfob.clients.keys import read_registered


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
    is_plain = uri.isprintable() and "\\" not in uri and "@" not in uri
    if parts.scheme != "https" or not parts.hostname or not is_plain:
        raise ValueError("should be an https URL, without a user")
    parts.port  # noqa: B018 - raises ValueError if it is none
    return uri


def ensure_jwks(jwks: dict[str, Any]) -> dict[str, Any]:
    """Return a JWK Set of public keys (RFC 7517 section 5) that assertions can be signed with.

    Raises:
        ValueError: it is not a JWK Set, or has a private key, a weak one, or too many.
    """
    read_registered(jwks)
    return jwks
