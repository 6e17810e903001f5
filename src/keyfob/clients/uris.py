"""Checks of a resource's identifier, and of a client's keys, when they are registered."""

from typing import Any
from urllib.parse import urlsplit

from keyfob.clients.keys import read_registered
from keyfob.clients.models import RegisteredClient

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


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


def find_redirect_uri(client: RegisteredClient, asked: str) -> bool:
    """Tell whether an app has registered a redirect URI, character by character.

    At a loopback address the port may differ: apps take a free one (RFC 8252 section 7.3).
    """
    if asked in client.redirect_uris:
        return True
    plain = _without_port(asked)
    return plain is not None and any(plain == _without_port(one) for one in client.redirect_uris)


def _without_port(uri: str) -> str | None:
    """Return a URI at a loopback address without its port; None for any other."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    suffix = "" if port is None else f":{port}"
    # Nothing else may have been there: no user, no other spelling of the host or the port.
    if parts.netloc != host + suffix:
        return None
    return uri.replace(parts.netloc, host, 1)
