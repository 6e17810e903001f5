"""The application: `create_app(settings)`. Nothing happens at import."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from keyfob import __version__
from keyfob.accounts import routes as user_routes
from keyfob.admin import record_routes
from keyfob.admin import routes as admin_routes
from keyfob.core.clock import Clock
from keyfob.core.http import Edge
from keyfob.core.http.clients import Clients
from keyfob.core.http.hot import HotRoute
from keyfob.core.http.problems import (
    on_fault,
    on_http_exception,
    on_invalid_input,
    on_problem,
)
from keyfob.core.problems import Problem
from keyfob.health import routes as health_routes
from keyfob.login import factor_routes as login_factor_routes
from keyfob.login import passkey_routes as login_passkey_routes
from keyfob.login import routes as login_routes
from keyfob.login_log import routes as log_routes
from keyfob.mfa import routes as factor_routes
from keyfob.mfa.passkeys import routes as passkey_routes
from keyfob.openapi import describe_api
from keyfob.own_account import routes as account_routes
from keyfob.recovery import routes as recovery_routes
from keyfob.registration import routes as registration_routes
from keyfob.sessions import routes as session_routes
from keyfob.settings import Settings
from keyfob.tokens import routes as token_routes
from keyfob.web.docs import docs_routes
from keyfob.web.pages import page_routes
from keyfob.wiring import Wiring, build


class Service(FastAPI):
    """FastAPI behind the edge, which serves the hot routes without it."""

    edge: Edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self.edge(scope, receive, send)


def create_app(settings: Settings, clock: Clock | None = None) -> Service:
    """Build the ASGI application.

    Args:
        settings: complete: with a database and a secret key (`boot.complete` sees to both).
        clock: the source of time; the system's by default.

    Raises:
        WrongSetting: one of both is missing, or a value cannot be used.
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
    app.state.services = wiring.services
    app.state.wiring = wiring
    _add_routes(app, settings)
    describe_api(app, settings)
    app.edge = _edge(app, settings)
    return app


def _edge(app: Service, settings: Settings) -> Edge:
    return Edge(
        super(Service, app).__call__,
        root_path=settings.root_path,
        max_body_bytes=settings.max_body_bytes,
        clients=app.state.clients,
        hsts=settings.strict_transport,
        cors_origins=settings.cors_origins,
        hot={
            (method, route.path): route
            for route in app.router.routes
            if isinstance(route, HotRoute)
            for method in route.methods or ()
        },
    )


def _lifespan(wiring: Wiring) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        await wiring.start()
        try:
            yield
        finally:
            await wiring.stop()

    return run


def _add_routes(app: FastAPI, settings: Settings) -> None:
    rooms: list[APIRouter] = [
        registration_routes.routes,
        recovery_routes.routes,
        login_routes.routes,
        login_factor_routes.routes,
        login_passkey_routes.routes,
        log_routes.routes,
        session_routes.routes,
        user_routes.routes,
        account_routes.routes,
        factor_routes.routes,
        passkey_routes.routes,
        passkey_routes.service_routes,
        admin_routes.routes,
        record_routes.routes,
        token_routes.routes,
        health_routes.routes,
        docs_routes(settings.root_path, swagger=settings.docs, redoc=settings.redoc),
        page_routes(settings.root_path),
    ]
    for room in rooms:
        # The routes themselves: including a router would wrap each and match them all each time.
        app.router.routes.extend(room.routes)
