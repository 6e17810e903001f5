"""A page of a list: the parameters of the request, and the link to the next page (RFC 8288).

Links to this service are never built from what a request says about its host.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query
from pydantic import BaseModel, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from keyfob.core.http.problems import refuses
from keyfob.core.http.routing import Provided
from keyfob.core.pagination import Cursors, Place
from keyfob.core.problems import InvalidCursor

T = TypeVar("T")

# The rows that become JSON in one turn of the event loop: a millisecond.
_AT_ONCE = 100


@dataclass(frozen=True)
class Page:
    """The part of a list that is asked for. `kind` names the list and its order."""

    request: Request
    response: Response
    cursors: Cursors
    limit: int
    cursor: str | None

    @property
    def to_read(self) -> int:
        """The number of rows to read: one more than is shown, to see if another page follows."""
        return self.limit + 1

    def start(self, kind: str) -> Place | None:
        """Return the place after which the page starts; None for the first page.

        Raises:
            InvalidCursor: the cursor was not made here, or belongs to another list or order.
        """
        return self.cursors.read(kind, self.cursor) if self.cursor else None

    def cut(self, kind: str, rows: Sequence[T], place_of: Callable[[T], Place]) -> Sequence[T]:
        """Return the rows of the page; if more were read, add the link to the next page."""
        if len(rows) > self.limit:
            cursor = self.cursors.write(kind, place_of(rows[self.limit - 1]))
            query = dict(self.request.query_params)
            self.response.headers["Link"] = next_link(public_path(self.request), query, cursor)
        return rows[: self.limit]

    async def answer(
        self, kind: type[BaseModel], rows: Sequence[T], values_of: Callable[[T], Mapping[str, Any]]
    ) -> Response:
        """Return rows as a JSON list of models of a kind, made of their values, in pieces.

        Threat: 1,000 rows in one piece keep everybody waiting for 10 to 50 ms.
        """
        lists, pieces = _lists_of(kind), []
        for start in range(0, len(rows), _AT_ONCE):
            await asyncio.sleep(0)
            models = lists.validate_python(list(map(values_of, rows[start : start + _AT_ONCE])))
            pieces.append(lists.dump_json(models)[1:-1])
        body = b"[%s]" % b",".join(pieces)
        return Response(body, headers=dict(self.response.headers), media_type="application/json")


@cache
def _lists_of(kind: type[BaseModel]) -> TypeAdapter[Any]:
    return TypeAdapter(list[kind])  # type: ignore[valid-type] # known when it is called


@refuses(InvalidCursor)
async def _asked_page(
    request: Request,
    response: Response,
    cursors: Annotated[Cursors, Provided(Cursors)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=1024)] = None,
) -> Page:
    return Page(request, response, cursors, limit, cursor)


AskedPage = Annotated[Page, Depends(_asked_page)]


def public_path(request: Request) -> str:
    """Return the request's public path, with the root path even if a proxy has removed it."""
    scope, settings = request.scope, request.app.state.settings
    return f"{settings.root_path}{scope['path'].removeprefix(scope['root_path'])}"


def next_link(path: str, query: dict[str, str], cursor: str) -> str:
    """Return the value of the Link header to the next page."""
    kept = {name: value for name, value in query.items() if name not in {"cursor", "skip"}}
    return f'<{path}?{urlencode({**kept, "cursor": cursor})}>; rel="next"'
