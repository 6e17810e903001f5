"""Where a request comes from. The first hop is the truth about the client."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.types import Scope

from keyfob.core.origin import Network, Origin, is_trusted, parse_address

_LONGEST_USER_AGENT = 512
# More than any chain of proxies. Threat: a client writes thousands, and each is read.
_MOST_HOPS = 32


def resolve_client(scope: Scope, proxies: Sequence[Network]) -> str | None:
    """Return the client's address in canonical form.

    X-Forwarded-For is believed only from a trusted proxy, from the right: each hop names its own
    peer, so the first address that is not a proxy of ours is the client. What stands left of it
    was written by the client and proves nothing. A malformed entry ends the walk, and so does the
    32nd.
    """
    peer = parse_address(scope["client"][0]) if scope.get("client") else None
    if not proxies or not is_trusted(peer, proxies):
        return str(peer) if peer else None
    forwarded = b",".join(
        value for name, value in scope["headers"] if name == b"x-forwarded-for"
    ).decode("latin-1")
    client = peer
    hops = forwarded.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:] if forwarded else ()
    for hop in reversed(hops):
        address = parse_address(hop)
        if address is None:
            break
        client = address
        if not is_trusted(address, proxies):
            break
    return str(client)


def client_address(request: Request) -> str:
    """Return the client's address as text, "unknown" where there is none."""
    return resolve_client(request.scope, request.app.state.trusted_proxies) or "unknown"


async def request_origin(request: Request) -> Origin:
    """Read the origin of a request."""
    return Origin(
        address=resolve_client(request.scope, request.app.state.trusted_proxies),
        user_agent=request.headers.get("user-agent", "")[:_LONGEST_USER_AGENT],
    )


RequestOrigin = Annotated[Origin, Depends(request_origin)]
