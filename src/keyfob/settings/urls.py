"""URLs in settings: hosts of any alphabet, and URLs that contain a password.

The latter are parsed once, here, so that no part of the password is later taken for a host. Threat:
a `/`, `?`, `#` or `@` in a password that was not percent-encoded ends its part of the URL; the rest
would be taken for a host, a name or a parameter, and printed as such.
"""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

import idna

_LABEL = "[a-z0-9_-]{1,63}"
_ORIGIN = re.compile(
    rf"([a-z][a-z0-9+.-]*)://({_LABEL}(?:\.{_LABEL})*\.?|\[[0-9a-f:.]+\])(?::(\d{{1,5}}))?"
)

_ENCODED = (
    "should have / ? # @ and spaces in its user and password percent-encoded:"
    " %2F, %3F, %23, %40, %20"
)


def split_url(url: str, likeness: str) -> SplitResult:
    """Split a URL that may hold a password.

    Raises:
        ValueError: it is not a URL, or a password in it ends too early; the message is fixed.
    """
    if not url.isprintable() or " " in url:
        raise ValueError(_ENCODED)
    try:
        parts = urlsplit(url)
    except ValueError:  # its message repeats the URL's
        raise ValueError(f"should be like {likeness}") from None
    behind = (parts.path, parts.query, parts.fragment)
    if parts.netloc.count("@") > 1 or "#" in url or any("@" in part for part in behind):
        raise ValueError(_ENCODED)
    return parts


def check_web_address(url: str | None) -> str | None:
    """Check that a browser or a client can call an address.

    Raises:
        ValueError: it cannot, or the URL contains a password, which everybody could see.
    """
    if url is None:
        return None
    if not re.fullmatch(r"https?://\S+", url):
        raise ValueError('should start with "https://" or "http://"')
    if "@" in url:
        raise ValueError("should have no user and no password in it")
    scheme, netloc, *_ = urlsplit(with_ascii_host(url))
    found = _ORIGIN.fullmatch(f"{scheme}://{netloc.lower()}")
    if found is None or not 0 < int(found[3] or 80) <= 65535:
        raise ValueError("should have a host and a port in it that there can be")
    return url


def check_base_address(url: str | None) -> str | None:
    """Check an address as above, and that paths can be appended to it (RFC 8414 section 2).

    Raises:
        ValueError: as above, or it has a query or a fragment.
    """
    if url is not None and ("?" in url or "#" in url):
        raise ValueError("should have no query and no fragment")
    return check_web_address(url)


def well_known(address: str, name: str) -> str:
    """Return where the metadata of an address are: between its host and its path.

    RFC 8414 section 3.1, RFC 9728 section 3.1.
    """
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/.well-known/{name}{parts.path.rstrip('/')}"


def read_origin(text: str) -> str:
    """Return an origin as browsers write it (RFC 6454 section 6.2): without a default port.

    Raises:
        ValueError: it is not an origin.
    """
    found = _ORIGIN.fullmatch(with_ascii_host(text).lower())
    if found is None or int(found[3] or 0) > 65535:
        raise ValueError(
            'should be exact origins like "https://app.example.com", with commas between: no *, '
            "no path"
        )
    scheme, host, port = found.groups()
    goes_without = {"http": "80", "https": "443"}.get(scheme)
    return f"{scheme}://{host}" + ("" if port in {None, goes_without} else f":{int(port)}")


def ascii_domain(host: str) -> str:
    """Return a domain as browsers, DNS and SMTP write it (UTS #46); ASCII ones are not changed.

    Raises:
        ValueError: it has no such form.
    """
    if host.isascii():
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise ValueError("should have a host that can be written in punycode") from None


def with_ascii_host(url: str) -> str:
    """Return a URL with its host in the form of `ascii_domain`.

    Raises:
        ValueError: the host has no such form.
    """
    parts = urlsplit(url)
    if parts.netloc.isascii():
        return url
    host, colon, port = parts.netloc.partition(":")
    return parts._replace(netloc=f"{ascii_domain(host)}{colon}{port}").geturl()


def is_loopback(host: str) -> bool:
    """Tell whether connections to a host stay on this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
