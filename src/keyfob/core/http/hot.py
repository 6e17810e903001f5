"""Hot routes: in OpenAPI like any other, but without the cost of features that they do not use.

The edge calls them directly, without FastAPI's middleware, routing, dependency resolution and
response validation (measured: docs/adr).
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from fastapi import APIRouter, params
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import Receive, Scope

from keyfob.core.http.strict import parse_body
from keyfob.core.problems import BadRequest

T = TypeVar("T")


class HotCall:
    """A request to a hot route; only the parts that the handler asks for are read."""

    __slots__ = ("_receive", "_scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive

    def service(self, kind: type[T]) -> T:
        """Return the instance of `kind` that wiring built."""
        found: T = self._scope["app"].state.services[kind]
        return found

    def header(self, name: bytes) -> str | None:
        """Return a header by its lower-case name; None if it is absent."""
        for given, value in self._scope["headers"]:
            if given == name:
                text: str = value.decode("latin-1")
                return text
        return None

    async def read_json(self) -> Any:
        """Read the body as `parse_body` does.

        Raises:
            BadRequest: also if the client disconnected before the body was complete.
        """
        body, more = b"", True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("The body did not arrive whole")
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return parse_body(body, self.header(b"content-type") or "")


Handler = Callable[[HotCall], Awaitable[bytes]]


class HotRoute(APIRoute):
    """A route that FastAPI documents and the edge serves, by `handler`."""

    def __init__(self, path: str, handler: Handler, **options: Any) -> None:
        super().__init__(path, _documented(handler), **options)
        self.handler = handler


def _documented(handler: Handler) -> Callable[[], Awaitable[None]]:
    """Return a function for FastAPI's OpenAPI: it has the name and the docstring of the handler."""

    async def endpoint() -> None:
        raise AssertionError("the edge serves this route")

    endpoint.__name__ = handler.__name__
    endpoint.__doc__ = handler.__doc__
    return endpoint


def hot_route(
    routes: APIRouter,
    method: str,
    path: str,
    *,
    response_model: type[BaseModel],
    responses: dict[int | str, dict[str, Any]] | None = None,
    body: type[BaseModel] | None = None,
    dependencies: Sequence[params.Depends] = (),
) -> Callable[[Handler], Handler]:
    """Add a hot route to a router, with its body and its `dependencies` in OpenAPI.

    The dependencies are never called: the handler has to do the same itself.
    """
    extra: dict[str, Any] = {}
    if body is not None:
        schema = body.model_json_schema(by_alias=False)
        extra["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }

    def add(handler: Handler) -> Handler:
        route = HotRoute(
            routes.prefix + path,
            handler,
            methods=[method],
            response_model=response_model,
            responses=responses,
            dependencies=dependencies,
            openapi_extra=extra,
            tags=list(routes.tags),
            operation_id=handler.__name__,
        )
        routes.routes.append(route)
        return handler

    return add
