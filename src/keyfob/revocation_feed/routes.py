"""The revocation feed, for services that verify access tokens by themselves."""

import time
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from keyfob.authority.models import Permission, Subject, id_of
from keyfob.authority.requiring import may_still, require
from keyfob.core.http import Provided, router
from keyfob.core.http.kept import names_tag
from keyfob.limits.requests import limited
from keyfob.revocation_feed.service import RevocationFeed
from keyfob.revocation_feed.streams import RevocationStreams, Stream

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


_EVENTS = "text/event-stream"
_DESCRIBED_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `revocations` and `heartbeat`, whose data is such a JWT, and whose"
        " id is the position; at the end `start-over` or `closing`",
        "content": {_EVENTS: {"schema": {"type": "string"}}},
    },
}


class _EventStream(StreamingResponse):
    """A stream that begins at once, and whose place is free again when it ends."""

    def __init__(self, stream: Stream) -> None:
        # A proxy such as nginx would collect the events otherwise.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(stream.events(), headers=headers, media_type=_EVENTS)
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["answered_at"] = time.perf_counter()  # what follows is no time of a request
        try:
            if scope.get("is_head"):  # without a body there is nothing to wait for
                await Response(headers=self.headers)(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
        finally:
            self._stream.close()


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
    return _EventStream(await streams.open(id_of(reader), last, allowed))
