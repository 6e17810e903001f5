"""The source of a request, as a parameter of routes."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from keyfob.core.http.clients import Clients
from keyfob.devices.source import Source

_LONGEST_USER_AGENT = 512


async def request_source(request: Request) -> Source:
    """Return the source of a request."""
    clients: Clients = request.app.state.clients
    return Source(
        address=clients.address_of(request.scope),
        user_agent=request.headers.get("user-agent", "")[:_LONGEST_USER_AGENT],
        languages=request.headers.get("accept-language", ""),
    )


RequestSource = Annotated[Source, Depends(request_source)]
