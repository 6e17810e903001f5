"""The login log and the audit log, as they grow."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request, Security
from starlette.responses import Response

from keyfob.admin.record_streams import Kind, RecordStreams
from keyfob.authority.models import Subject
from keyfob.authority.requiring import WITH_PROGRAMS, Requirement, bearer, may_still
from keyfob.core.http import Provided, router
from keyfob.core.http.event_streams import EVENTS, EventStream
from keyfob.core.problems import Forbidden, Problem
from keyfob.limits.requests import counted_for, limited

routes = router("Administration", prefix="/admin")

_DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `logins` and `audit`, whose data is a line of the lists, and"
        " `heartbeat`; at the end `closing` or `start-over`",
        "content": {EVENTS: {"schema": {"type": "string"}}},
    },
}


class Reader(NamedTuple):
    """A subject, and the logs that it may read of those that it asked for."""

    subject: Subject
    kinds: tuple[Kind, ...]


@dataclass(frozen=True, eq=False)
class _ReaderOfSome:
    """Requires the right to read the log that is asked for, or else to read one of them."""

    ways: dict[Kind, Requirement]

    @property
    def refuses(self) -> tuple[type[Problem], ...]:
        """The refusals that this requirement can raise."""
        return self.ways[Kind.LOGINS].refuses

    async def __call__(
        self, request: Request, _: Annotated[object, Security(bearer)], kind: Kind | None = None
    ) -> Reader:
        """Return the reader of a request, or raise one of `refuses`."""
        if kind is not None:
            return Reader(await self.ways[kind](request, None), (kind,))
        found: dict[Kind, Subject] = {}
        for one, way in self.ways.items():
            with suppress(Forbidden):
                found[one] = await way(request, None)
        if not found:
            raise Forbidden
        return Reader(next(iter(found.values())), tuple(found))


_OF_SOME = _ReaderOfSome(
    {kind: Requirement(kind.permission, admits=WITH_PROGRAMS) for kind in Kind}
)


@routes.get(
    "/events/stream",
    dependencies=[Depends(limited("admin", by="caller"))],
    response_class=Response,
    responses=_DESCRIBED,
)
async def follow_records(
    reader: Annotated[Reader, Depends(_OF_SOME)],
    streams: Annotated[RecordStreams, Provided(RecordStreams)],
    request: Request,
) -> Response:
    """Return new lines of the login log and the audit log as server-sent events, as they come.

    Of the logs that the caller may read, or of one of them. `Last-Event-ID` continues a stream.
    At least every five seconds an event comes. The stream ends with the access token.
    """
    last = request.headers.get("last-event-id")
    allowed = partial(may_still, request)
    return EventStream(await streams.open(counted_for(reader.subject), last, reader.kinds, allowed))
