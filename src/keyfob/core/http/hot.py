"""Hot routes: in OpenAPI like any other, but paying for nothing that they do not use.

The endpoint reads the request and returns the bytes of a JSON answer. FastAPI's dependency
resolution, response validation and exit stacks are left out (measured: docs/adr).
"""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from keyfob.core.http.problems import render_problem
from keyfob.core.problems import Problem

Handler = Callable[[Request], Awaitable[bytes]]


class HotRoute(APIRoute):
    """A route that is documented by FastAPI and served without it."""

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        handler: Handler = endpoint

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive, send)
            try:
                body = await handler(request)
            except Problem as problem:
                await render_problem(problem)(scope, receive, send)
                return
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [
                        (b"content-type", b"application/json"),
                        (b"content-length", str(len(body)).encode()),
                    ],
                }
            )
            await send({"type": "http.response.body", "body": body})

        self.app = serve


def hot_route(
    routes: APIRouter,
    method: str,
    path: str,
    *,
    response_model: type[BaseModel],
    responses: dict[int | str, dict[str, Any]],
    body: type[BaseModel] | None = None,
    secured: bool = False,
) -> Callable[[Handler], Handler]:
    """Add a hot route to a router, with its body and its authority in OpenAPI."""
    extra: dict[str, Any] = {}
    if body is not None:
        schema = body.model_json_schema(by_alias=False)
        extra["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    if secured:
        extra["security"] = [{"bearer": []}]

    def add(handler: Handler) -> Handler:
        route = HotRoute(
            routes.prefix + path,
            handler,
            methods=[method],
            response_model=response_model,
            responses=responses,
            openapi_extra=extra,
            tags=list(routes.tags),
        )
        routes.routes.append(route)
        return handler

    return add
