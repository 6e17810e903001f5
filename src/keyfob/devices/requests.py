"""The source of a request, as a parameter of routes."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from keyfob.core.http.clients import Clients
from keyfob.devices.source import Source

_LONGEST_USER_AGENT = 512


async def request_source(request: Request) -> Source:
    """Return the source of a request to the API."""
    return source_of(request, is_page=False)


def source_of(request: Request, *, is_page: bool) -> Source:
    """Return the source of a request; `is_page`: a page of ours is asked for."""
    clients: Clients = request.app.state.clients
    return Source(
        address=clients.address_of(request.scope),
        user_agent=request.headers.get("user-agent", "")[:_LONGEST_USER_AGENT],
        languages=request.headers.get("accept-language", ""),
        is_page=is_page,
    )


RequestSource = Annotated[Source, Depends(request_source)]
