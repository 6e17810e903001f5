"""URLs as they are set: hosts of any alphabet, and those that hold a password.

The latter are read once, here, so that nothing later takes a piece of the password for a host.
Threat: a `/`, `?`, `#` or `@` in a password that was not percent-encoded ends the part of the URL
that it stands in; what follows would be a host, a name or a parameter, and is printed as one.
"""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import idna

_ENCODED = (
    "should have / ? # @ and spaces in its user and password percent-encoded:"
    " %2F, %3F, %23, %40, %20"
)


def split_url(url: str, likeness: str) -> SplitResult:
    """Split a URL that may hold a password.

    Raises:
        ValueError: it is none, or a password in it ends too early; the words are fixed.
    """
    if not url.isprintable() or " " in url:
        raise ValueError(_ENCODED)
    try:
        parts = urlsplit(url)
    except ValueError:  # its words repeat the URL's
        raise ValueError(f"should be like {likeness}") from None
    behind = (parts.path, parts.query, parts.fragment)
    if parts.netloc.count("@") > 1 or "#" in url or any("@" in part for part in behind):
        raise ValueError(_ENCODED)
    return parts


def ascii_domain(host: str) -> str:
    """Write a domain as browsers, DNS and SMTP do (UTS #46); one in ASCII is left as it is.

    Raises:
        ValueError: it cannot be written so.
    """
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise ValueError("should have a host that can be written in punycode") from None


def with_ascii_host(url: str) -> str:
    """Return a URL with its host as `ascii_domain` writes it.

    Raises:
        ValueError: it cannot be written so.
    """
    parts = urlsplit(url)
    if parts.netloc.isascii():
        return url
    host, colon, port = parts.netloc.partition(":")
    return parts._replace(netloc=f"{ascii_domain(host)}{colon}{port}").geturl()


def is_loopback(host: str) -> bool:
    """Tell whether what is said to a host stays on this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
