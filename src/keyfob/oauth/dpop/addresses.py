"""Addresses as proofs name them, compared after normalisation (RFC 3986 section 6.2)."""

import re
from urllib.parse import unquote, urlsplit

_PLAIN = re.compile(r"[!-~]{1,1000}\Z")
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]\Z")
_USUAL_PORTS = {"https": 443, "http": 80}


def is_same(htu: object, address: str) -> bool:
    """Tell whether an `htu` is an address, whatever its query and fragment (RFC 9449 section 4.3).

    Case of scheme and host, the usual port, needless escapes and dot segments make no difference.
    """
    if not isinstance(htu, str):
        return False
    if htu == address:
        return True
    named = normalised(htu)
    return named is not None and named == normalised(address)


def normalised(url: str) -> str | None:
    """Return an http address in its normal form, without query and fragment; None if it is none."""
    if not _PLAIN.match(url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname
    if parts.scheme not in _USUAL_PORTS or not host or "@" in parts.netloc:
        return None
    shown = f"[{host}]" if ":" in host else host
    if port not in {None, _USUAL_PORTS[parts.scheme]}:
        shown += f":{port}"
    return f"{parts.scheme}://{shown}{_without_dots(_ESCAPED.sub(_unescaped, parts.path))}"


def _unescaped(escape: re.Match[str]) -> str:
    sign = unquote(escape[0])
    return sign if _UNRESERVED.match(sign) else escape[0].upper()


def _without_dots(path: str) -> str:
    """Remove dot segments (RFC 3986 section 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:] or [""]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
