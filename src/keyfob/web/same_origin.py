"""The judgement of unsafe requests with a cookie: only our own pages may make them.

There is no token against request forgery, so that no page ever has expired: browsers tell which
page asks (Fetch Metadata, section 2.3), or at least its origin (RFC 6454 section 7).
"""

from urllib.parse import urlsplit

from starlette.requests import Request

from keyfob.core.problems import Problem

_SAFE = frozenset({"GET", "HEAD"})


class CrossOriginRequest(Problem):
    """A page of another origin, or a program that sends a cookie, asks for a change."""

    status = 403
    code = "cross_origin_request"
    title = "Another site has asked for this, so it was not done"


def ensure_shown(request: Request) -> None:
    """Check that a page which another site asks for is shown to somebody.

    Threat: a page that its visitors leave open fetches ours, unseen, and so uses up the limits of
    their address, or of themselves. A page of the same site may ask in a frame, as apps do that
    look whether their user is still signed in (`prompt=none`). Browsers tell all three (Fetch
    Metadata, section 2); who tells nothing is no browser, and asks for itself alone.

    Raises:
        CrossOriginRequest: it asks in the background, for a picture, or in a frame.
    """
    site = request.headers.get("sec-fetch-site")
    if site not in {"cross-site", "same-site"}:
        return
    shown = {"document"} if site == "cross-site" else {"document", "iframe"}
    navigates = request.headers.get("sec-fetch-mode", "navigate") == "navigate"
    if not navigates or request.headers.get("sec-fetch-dest", "document") not in shown:
        raise CrossOriginRequest


def ensure_same_origin(request: Request, public_base: str) -> None:
    """Check that a page of ours asks, unless the request changes nothing.

    Threat: a page of another site signs its visitor in as somebody else, or does something in the
    visitor's name.

    Raises:
        CrossOriginRequest: another page asks, or nothing tells which.
    """
    if request.method in _SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site != "same-origin":
            raise CrossOriginRequest
        return
    ours = urlsplit(public_base)
    if request.headers.get("origin") != f"{ours.scheme}://{ours.netloc}":
        raise CrossOriginRequest
