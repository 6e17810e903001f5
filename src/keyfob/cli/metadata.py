"""Asks for the metadata from which clients learn where to get tokens, as they do."""

import asyncio
import json
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from keyfob.settings.urls import well_known

# Each document, and its member that has to be the issuer.
_DOCUMENTS = {
    "oauth-authorization-server": "issuer",
    "openid-configuration": "issuer",
    "oauth-protected-resource": "resource",
}
_SECONDS = 3
_MOST_BYTES = 65_536


class _NoRedirects(HTTPRedirectHandler):
    """Takes a redirect for an answer: clients need not follow it (RFC 8414 section 3)."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


async def ask_for_metadata(issuer: str) -> tuple[bool, str]:
    """Ask for each document at each of its places; tell whether all is well, and what is not.

    A proxy that passes on nothing but the path of the issuer hides those at the root of the host.
    If nothing answers at all, the service may not have been started yet, and nothing is wrong.
    """
    places = {
        url: member
        for name, member in _DOCUMENTS.items()
        for url in (f"{issuer.rstrip('/')}/.well-known/{name}", well_known(issuer, name))
    }
    answers = await asyncio.gather(*(asyncio.to_thread(_ask, url) for url in places))
    if all(answer is None for answer in answers):
        return True, f"nothing answers at {issuer} from here, so it is not known"
    hidden = [
        url
        for (url, member), answer in zip(places.items(), answers, strict=True)
        if not isinstance(answer, dict) or answer.get(member) != issuer
    ]
    if hidden:
        return False, f"a proxy hides {', '.join(hidden)}; let it pass these on, too"
    return True, f"found in {len(places)} places"


def _ask(url: str) -> Any:
    """Return what a URL answers as JSON, "" if that is none, and None if nothing answers."""
    opener = build_opener(ProxyHandler({}), _NoRedirects)
    try:
        with opener.open(url, timeout=_SECONDS) as answer:
            return json.loads(answer.read(_MOST_BYTES))
    except HTTPError:
        return ""
    except (OSError, HTTPException):
        return None
    except ValueError:
        return ""
