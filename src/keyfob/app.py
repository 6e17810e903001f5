"""The application: `create_app(settings)`. Importing this module has no effects."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from keyfob import __version__
from keyfob.clients.origins import Origins
from keyfob.core.clock import Clock
from keyfob.core.http import Edge, StrictRoute
from keyfob.core.http.clients import Clients
from keyfob.core.http.hot import HotRoute
from keyfob.core.http.problems import (
    on_fault,
    on_http_exception,
    on_invalid_input,
    on_problem,
)
from keyfob.core.problems import Problem
from keyfob.core.rooms import Room
from keyfob.openapi import describe_api
from keyfob.settings import Settings
from keyfob.settings.urls import well_known
from keyfob.wiring import Wiring, build

# In the order of the API description.
TAGS = ("Sign-in", "Account", "Sessions", "Factors", "Administration", "OAuth", "Service")


class Service(FastAPI):
    """FastAPI behind the edge, which serves hot routes without FastAPI."""

    edge: Edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self.edge(scope, receive, send)


def create_app(settings: Settings, clock: Clock | None = None) -> Service:
    """Build the ASGI application.

    Args:
        settings: complete settings, with a database and a secret key (see `boot.complete`).
        clock: the source of time; the system's by default.

    Raises:
        WrongSetting: one of these is missing, or a value cannot be used.
    """
    wiring = build(settings, clock or Clock())
    app = Service(
        title="Keyfob",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(wiring),
        exception_handlers={
            Problem: on_problem,
            HTTPException: on_http_exception,
            RequestValidationError: on_invalid_input,
            Exception: on_fault,
        },
    )
    app.state.settings = settings
    app.state.clients = Clients(
        settings.trusted_proxies,
        settings.forwarded_header,
        by_socket=settings.listens_on_socket,
    )
    app.state.resource_metadata = well_known(settings.issuer_url, "oauth-protected-resource")
    app.state.services = wiring.services
    app.state.wiring = wiring
    _add_routes(app, wiring.rooms)
    describe_api(app, settings)
    app.edge = _edge(app, settings)
    return app


def _edge(app: Service, settings: Settings) -> Edge:
    return Edge(
        super(Service, app).__call__,
        root_path=settings.root_path,
        max_body_bytes=settings.max_body_bytes,
        larger={
            (method, route.path): max(route.large.most_bytes, settings.max_body_bytes)
            for route in app.router.routes
            if isinstance(route, StrictRoute) and route.large
            for method in route.methods or ()
        },
        clients=app.state.clients,
        hsts=settings.strict_transport,
        cors_origins=settings.cors_origins,
        is_of_browser_app=app.state.services[Origins].knows,
        hot={
            (method, route.path): route
            for route in app.router.routes
            if isinstance(route, HotRoute)
            for method in route.methods or ()
        },
    )


def _lifespan(
    wiring: Wiring,
) -> Callable[[FastAPI], AbstractAsyncContextManager[Mapping[str, Any]]]:
    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        await wiring.start()
        try:
            yield {"stopping": wiring.announce_stop}  # for the server
        finally:
            await wiring.stop()

    return run


def _add_routes(app: FastAPI, rooms: Sequence[Room]) -> None:
    found = [route for room in rooms for router in room.routes for route in router.routes]
    # The routes themselves: including a router would wrap each one and match them all each time.
    app.router.routes.extend(sorted(found, key=_place_of))


def _place_of(route: BaseRoute) -> int:
    """Return the place of a route in the description: by its tag, then by the order of rooms.

    Those without a place there come first, for pages: they tell at once what is not for them.
    """
    tags = getattr(route, "tags", [])
    return TAGS.index(tags[0]) if tags else -1
