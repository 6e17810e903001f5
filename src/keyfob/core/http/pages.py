"""A page of a list: the parameters of the request, and the link to the next page (RFC 8288).

Links to this service are never built from what a request says about its host.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from keyfob.core.http.problems import refuses
from keyfob.core.http.routing import Provided
from keyfob.core.pagination import Cursors, Place
from keyfob.core.problems import InvalidCursor

T = TypeVar("T")


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
