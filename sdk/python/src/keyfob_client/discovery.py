"""The metadata of an issuer (RFC 8414, and OpenID Connect Discovery)."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from keyfob_client.errors import IssuerNotReached
from keyfob_client.fetching import ask, check_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The parts of an issuer's metadata that are used."""

    jwks_uri: str
    token_endpoint: str | None
    document: dict[str, Any]


def places(issuer: str) -> tuple[str, ...]:
    """Return where the metadata may be, in the order to try.

    At the root of the host with the issuer's path appended (RFC 8414 section 3.1); below the
    issuer, if a proxy forwards that path alone; and where OpenID Connect Discovery has it.
    """
    parts = urlsplit(issuer)
    root, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    below = issuer.rstrip("/")
    found = (
        f"{root}/.well-known/oauth-authorization-server{path}",
        f"{below}/.well-known/oauth-authorization-server",
        f"{below}/.well-known/openid-configuration",
    )
    return tuple(dict.fromkeys(found))


async def discover(client: httpx.AsyncClient, issuer: str, *, allow_http: bool) -> Metadata:
    """Find the metadata of an issuer.

    Raises:
        IssuerNotReached: it is at none of its places, or not that of this issuer.
    """
    wrong = ""
    for place in places(issuer):
        answer = await ask(client, "GET", place)
        if answer.status != 200:
            wrong = f"{place}: {answer.status}"
            continue
        return read_metadata(answer.json(), issuer, allow_http=allow_http)
    raise IssuerNotReached(f"the issuer has no metadata: {wrong}")


def read_metadata(document: object, issuer: str, *, allow_http: bool) -> Metadata:
    """Read the metadata of an issuer.

    Raises:
        IssuerNotReached: it is of another one (RFC 8414 section 3.3), or incomplete.
    """
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        raise IssuerNotReached(f"the metadata is not that of {issuer}")
    try:
        endpoint = document.get("token_endpoint")
        if endpoint is not None:
            check_url(endpoint, allow_http=allow_http)
        jwks_uri = check_url(document.get("jwks_uri"), allow_http=allow_http)
    except ValueError as wrong:
        raise IssuerNotReached(f"the metadata of {issuer}: {wrong}") from None
    return Metadata(jwks_uri=jwks_uri, token_endpoint=endpoint, document=document)
