"""Hot routes: in OpenAPI like any other, but without the cost of features that they do not use.

The edge calls them directly, without FastAPI's middleware, routing, dependency resolution and
response validation (measured: docs/adr).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from fastapi import APIRouter, params
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import Receive, Scope

from keyfob.core.forms import FORM, Form, parse_form
from keyfob.core.http.clients import Clients
from keyfob.core.http.strict import parse_body
from keyfob.core.problems import BadRequest

T = TypeVar("T")


class HotCall:
    """A request to a hot route; only the parts that the handler asks for are read.

    `told` are headers that a good answer gets besides those of every answer.
    """

    __slots__ = ("_receive", "_scope", "told")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self.told: Sequence[tuple[bytes, bytes]] = ()

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

    def headers(self, name: bytes) -> tuple[str, ...]:
        """Return all headers of a lower-case name, in their order."""
        given = self._scope["headers"]
        return tuple(value.decode("latin-1") for named, value in given if named == name)

    def tell(self, headers: Mapping[str, str]) -> None:
        """Add headers to a good answer."""
        self.told = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    @property
    def method(self) -> str:
        """The method of the request."""
        method: str = self._scope["method"]
        return method

    @property
    def ip_address(self) -> str | None:
        """The client's address; None if there is none, as on a unix socket."""
        clients: Clients = self._scope["app"].state.clients
        return clients.address_of(self._scope)

    @property
    def address(self) -> str:
        """The client's address as text; "unknown" if there is none."""
        return self.ip_address or "unknown"

    async def read_json(self) -> Any:
        """Parse the body as `parse_body` does.

        Raises:
            BadRequest: also if the client disconnected before the body was complete.
        """
        return parse_body(await self._read_body(), self.header(b"content-type") or "")

    async def read_form(self) -> Form:
        """Parse the body as `parse_form` does.

        Raises:
            BadRequest: also if the client disconnected before the body was complete.
        """
        body = await self._read_body()
        return parse_form(body, self.header(b"content-type") or "", self._scope["query_string"])

    async def _read_body(self) -> bytes:
        body, more = b"", True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("The body did not arrive whole")
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body


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
    form: type[BaseModel] | None = None,
    dependencies: Sequence[params.Depends] = (),
) -> Callable[[Handler], Handler]:
    """Add a hot route to a router, with its body or form and its `dependencies` in OpenAPI.

    The dependencies are never called: the handler has to do the same itself.
    """
    extra: dict[str, Any] = {}
    for media_type, sent in (("application/json", body), (FORM, form)):
        if sent is not None:
            schema = sent.model_json_schema(by_alias=False)
            extra["requestBody"] = {"required": True, "content": {media_type: {"schema": schema}}}

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
