"""Routers of rooms: bodies are parsed strictly, and services come from wiring."""

from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from keyfob.core.http.strict import MOST_VALUES, read_json
from keyfob.core.problems import InvalidInput

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Large(NamedTuple):
    """The bounds of the body of a route that takes a larger one than others.

    Threat: strangers have us parse large bodies. So `admits` is asked before the body is read. A
    body that it does not admit is taken for an empty object: the route's dependencies count and
    refuse the call.
    """

    most_bytes: int
    most_values: int
    admits: Callable[[Request], Awaitable[bool]]


def takes_large(large: Large) -> Callable[[F], F]:
    """Declare the bounds of a route's body: a decorator of the function below the route's own."""

    def declare(endpoint: F) -> F:
        endpoint.__dict__["large"] = large
        return endpoint

    return declare


class StrictRoute(APIRoute):
    """A route whose body, if it takes one, is parsed by `read_json`."""

    @property
    def large(self) -> Large | None:
        """The bounds of its body, if they are not those of all routes."""
        return getattr(self.endpoint, "large", None)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle
        large = self.large
        most_values = large.most_values if large else MOST_VALUES

        async def strict(request: Request) -> Response:
            if large and not await large.admits(request):
                request._body, request._json = b"{}", {}  # noqa: SLF001 - as below
                return await handle(request)
            parsed = await read_json(request, most_values)
            if parsed is not None:
                request._json = parsed  # noqa: SLF001 - Starlette's own cache, which FastAPI reads
            elif await request.body():  # FastAPI takes null for an absent optional body
                raise InvalidInput([{"pointer": "/body", "detail": "Input should be an object"}])
            return await handle(request)

        return strict


def router(*tags: str | Enum, prefix: str = "") -> APIRouter:
    """Return a router whose routes parse bodies strictly."""
    return APIRouter(
        prefix=prefix,
        tags=list(tags),
        route_class=StrictRoute,
        generate_unique_id_function=lambda route: route.name,
    )


def provided(kind: type[T]) -> Callable[[Request], Awaitable[T]]:
    """Return a dependency that provides the instance of `kind` that wiring built."""

    async def find(request: Request) -> T:
        found: T = request.app.state.services[kind]
        return found

    find.provides = kind  # type: ignore[attr-defined] # wiring checks that it exists
    return find


def Provided(kind: type[Any]) -> Any:  # noqa: N802 - written like the annotation that it is
    """Mark a parameter whose value comes from wiring."""
    return Depends(provided(kind))
