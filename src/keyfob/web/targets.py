"""The place to which pages return afterwards: `return_to`, which anybody may have written."""

import re
from collections.abc import Collection
from urllib.parse import urljoin, urlsplit

_LONGEST = 2048
# What browsers drop or read as a slash (URL standard, section 4.4), and what no URL has.
_TRICKS = re.compile(r"[\x00-\x20\x7f\\]")


def safe_target(text: str, base: str, origins: Collection[str]) -> str | None:
    """Return a URL to which pages may return; None if it is none of ours, nor of a listed origin.

    Args:
        text: a path that begins with a slash, or a whole URL; with query and fragment.
        base: the service's own address.
        origins: other origins that are allowed, as browsers write them.
    """
    if not text or len(text) > _LONGEST or _TRICKS.search(text) or not text.isprintable():
        return None
    try:
        parts = urlsplit(text)
        found = urlsplit(urljoin(base, text))
        port = found.port
    except ValueError:
        return None
    if not parts.scheme and not parts.netloc:
        return text if text.startswith("/") and not text.startswith("//") else None
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or not parts.netloc:
        return None
    goes_without = {"http": 80, "https": 443}[parts.scheme]
    suffix = "" if port in {None, goes_without} else f":{port}"
    origin = f"{parts.scheme}://{(found.hostname or '').lower()}{suffix}"
    ours = urlsplit(base)
    return text if origin in {*origins, f"{ours.scheme}://{ours.netloc}"} else None
