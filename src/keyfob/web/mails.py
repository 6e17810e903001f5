"""The way on and the address that a browser keeps while a mail is under way."""

from urllib.parse import quote, unquote

from keyfob.web import cookies
from keyfob.web.targets import safe_target
from keyfob.web.visit import Visit

_LONGEST_EMAIL = 254


def keep_way(visit: Visit) -> None:
    """Keep `return_to` for an hour, for whoever opens the link of a mail in this browser.

    Threat: in the link itself, a stranger would choose words of somebody else's mail, and where
    they go on to.
    """
    value = quote(visit.return_to, safe="/?=&:@")
    if value and visit.engine.signs_in:
        visit.keep(cookies.RETURN, value, cookies.RETURN_TTL)


def kept_way(visit: Visit) -> str:
    """Return the place to go on to from a link: `return_to`, or else what this browser has kept."""
    kept = unquote(visit.kept(cookies.RETURN) or "")
    return visit.return_to or safe_target(kept, visit.public_base, visit.origins) or ""


def keep_address(visit: Visit, email: str) -> None:
    """Keep the address to which a mail is on its way, for the page that says so.

    It is in no query: that stands in the history of the browser, and in logs.
    """
    if visit.engine.signs_in:
        visit.keep(cookies.SENT, f"{visit.path}:{quote(email)}", cookies.SENT_TTL)


def kept_address(visit: Visit) -> str:
    """Return the address that a form of this page has kept; empty if there is none."""
    path, _, email = (visit.kept(cookies.SENT) or "").partition(":")
    return unquote(email)[:_LONGEST_EMAIL] if path == visit.path else ""


def is_sent(visit: Visit) -> bool:
    """Tell whether this is the page that says that a mail is on its way."""
    return visit.request.query_params.get("sent") == "yes"
