"""Checks of resources' identifiers, and of clients' keys and redirect URIs, when registered."""

import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

from keyfob.clients.keys import read_registered
from keyfob.clients.models import ClientKind, RegisteredClient

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# With a dot, as the reverse of a domain of the app's maker (RFC 8252 section 7.1).
_PRIVATE_USE = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+\Z")
# What a URI consists of (RFC 3986 section 2), but for the marks of a fragment and of a user.
_PLAIN = re.compile(r"[A-Za-z0-9._~:/?\[\]!$&'()*+,;=%-]+\Z")
_LONGEST_URI = 500
_USUAL_PORTS = {"https": 443, "http": 80}


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

    Of each key, the members that say what it is and is for: others could be anything.

    Raises:
        ValueError: it is not a JWK Set, or has a private key, a weak one, or too many.
    """
    read_registered(jwks)
    return {"keys": [_without_more(jwk) for jwk in jwks["keys"]]}


_MEMBERS = ("kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e")


def _without_more(jwk: dict[str, Any]) -> dict[str, Any]:
    kept = {name: jwk[name] for name in _MEMBERS if name in jwk}
    uses = kept.get("key_ops", [])  # a list: `read_registered` has seen to that
    texts = [*uses, *(value for name, value in kept.items() if name != "key_ops")]
    if not all(isinstance(text, str) and text.isprintable() for text in texts):
        raise ValueError("should have keys of plain texts")
    return kept


def ensure_redirect_uri(uri: str, kind: ClientKind) -> str:
    """Return a place to which a kind of app may have its users sent (OAuth 2.1 section 2.3).

    It is compared character by character later, so it has to be written as browsers write it. The
    rule is closed: https for all; plain http for programs on the user's own machine, and for apps
    that are being developed there; a private-use scheme for native apps.

    Raises:
        ValueError: it is not such a URI.
    """
    if len(uri) > _LONGEST_URI or not _PLAIN.match(uri):
        raise ValueError("should be an absolute URI of up to 500 characters, without # and @")
    parts = urlsplit(uri)
    parts.port  # noqa: B018 - raises ValueError if it is none
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(uri)):
        if not uri.startswith(f"{parts.scheme}://{parts.netloc.lower()}/") or not _is_host(parts):
            raise ValueError("should have a host in lower case, and a path")
        if any(part in {".", ".."} for part in parts.path.split("/")):
            raise ValueError("should have no . or .. in its path")
        return uri
    is_private = kind is ClientKind.NATIVE and _PRIVATE_USE.match(parts.scheme)
    if not is_private or parts.netloc or not uri.startswith(f"{parts.scheme}:/"):
        raise ValueError(
            "should be https, or http at a loopback address; com.example.app:/ if native"
        )
    return uri


def ensure_uri_after_logout(uri: str, kind: ClientKind) -> str:
    """Return a place to which a sign-out may lead: as after a sign-in, or a host without a path.

    Apps name their own address so; nothing secret goes there, but for `state`.

    Raises:
        ValueError: it is not such a URI.
    """
    ensure_redirect_uri(uri if uri.count("/") != 2 or "?" in uri else f"{uri}/", kind)
    return uri


def ensure_logout_uri(uri: str) -> str:
    """Return a URL at which an app hears of sign-outs (Back-Channel Logout section 2.2).

    Whether it may be called, `core.outbound` decides: plain http only where an administrator has
    listed the host.

    Raises:
        ValueError: it is no https or http URL, or has a user or a fragment.
    """
    parts = urlsplit(uri) if _PLAIN.match(uri) and len(uri) <= _LONGEST_URI else None
    if parts is None or parts.scheme not in _USUAL_PORTS or not _is_host(parts):
        raise ValueError("should be an https URL of up to 500 characters, without # and @")
    parts.port  # noqa: B018 - raises ValueError if it is none
    return uri


def _is_host(parts: SplitResult) -> bool:
    """Tell whether a URL names one host, by a name or an address."""
    return bool(parts.hostname) and not set("*!$&'()+,;=%") & set(parts.netloc)


def is_https(uri: str) -> bool:
    """Tell whether a redirect URI leads to a place that only one party can have."""
    return urlsplit(uri).scheme == "https"


def origin_of(uri: str) -> str:
    """Return the origin of a registered https or http URI, as browsers write it (RFC 6454)."""
    parts = urlsplit(uri)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    is_usual = parts.port in {None, _USUAL_PORTS.get(parts.scheme)}
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{parts.port}")


def _is_loopback(uri: str) -> bool:
    return _without_port(uri) is not None


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
