"""The revocation feed, for services that verify access tokens by themselves."""

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from starlette.responses import Response

from keyfob.authority.models import Permission, Subject
from keyfob.authority.requiring import may_still, require
from keyfob.core.http import Provided, router
from keyfob.core.http.event_streams import EVENTS, EventStream
from keyfob.core.http.kept import names_tag
from keyfob.limits.requests import counted_for, limited
from keyfob.revocation_feed.service import RevocationFeed
from keyfob.revocation_feed.streams import RevocationStreams

routes = router("OAuth")

_JWT = "application/jwt"
_LIMITED = [Depends(limited("revocations", by="caller"))]

Reader = Annotated[Subject, require(Permission.REVOCATIONS_READ, programs=True)]
After = Annotated[
    str | None,
    Query(max_length=1024, description="The `position` of the last document; absent: everything"),
]
_HEADERS = {"ETag": {"description": "The position", "schema": {"type": "string"}}}
_DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A JWT of the type revocations+jwt",
        "headers": _HEADERS,
        "content": {_JWT: {"schema": {"type": "string"}}},
    },
    304: {"description": "Nothing is new"},
}


@routes.get("/revocations", dependencies=_LIMITED, response_class=Response, responses=_DESCRIBED)
async def read_revocations(
    _: Reader,
    feed: Annotated[RevocationFeed, Provided(RevocationFeed)],
    request: Request,
    after: After = None,
) -> Response:
    """Return what was revoked after a position, signed; without one, all that still matters.

    Services that verify access tokens by themselves follow it, and refuse what was revoked.
    """
    page = await feed.read(after)
    tag = f'"{page.position}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if names_tag(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(page.document, headers=headers, media_type=_JWT)


_DESCRIBED_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `revocations` and `heartbeat`, whose data is such a JWT, and whose"
        " id is the position; at the end `start-over` or `closing`",
        "content": {EVENTS: {"schema": {"type": "string"}}},
    },
}


@routes.get(
    "/revocations/stream",
    dependencies=_LIMITED,
    response_class=Response,
    responses=_DESCRIBED_STREAM,
)
async def follow_revocations(
    reader: Reader,
    streams: Annotated[RevocationStreams, Provided(RevocationStreams)],
    request: Request,
    after: After = None,
) -> Response:
    """Return the same as server-sent events, as it happens; `Last-Event-ID` continues a stream.

    At least every five seconds an event comes. The stream ends with the access token.
    """
    last = request.headers.get("last-event-id", after)
    allowed = partial(may_still, request, Permission.REVOCATIONS_READ)
    return EventStream(await streams.open(counted_for(reader), last, allowed))
