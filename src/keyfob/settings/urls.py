"""URLs that hold a password: read once, here, so that nothing later takes a piece of it for a host.

Threat: a `/`, `?`, `#` or `@` in a password that was not percent-encoded ends the part of the URL
that it stands in; what follows would be a host, a name or a parameter, and is printed as one.
"""

from urllib.parse import SplitResult, urlsplit

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
