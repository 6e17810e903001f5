"""Routers of rooms: bodies are parsed strictly, and services come from wiring."""

from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any, TypeVar

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from keyfob.core.http.strict import read_json
from keyfob.core.problems import InvalidInput

T = TypeVar("T")


class StrictRoute(APIRoute):
    """A route whose body, if it takes one, is parsed by `read_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def strict(request: Request) -> Response:
            parsed = await read_json(request)
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
