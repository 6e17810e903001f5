"""The same small service in each framework. Those that run in threads say so in their names."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Annotated, Any

import django
import fastapi
import flask
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path
from litestar import Litestar, Request, delete, get, post
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from werkzeug.wrappers import Request as WerkzeugRequest
from werkzeug.wrappers import Response as WerkzeugResponse

import keyfob_client.django
import keyfob_client.flask
from keyfob_client import AccessToken, AsyncVerifier, Verifier, asgi, wsgi
from keyfob_client.fastapi import (
    CurrentToken,
    CurrentUser,
    protect,
    require_recent_sign_in,
    require_role,
    require_scope,
)
from keyfob_client.litestar import refusals, requires

ORDERS = "https://orders.example.com"
ABOUT: Any = {"scopes": ["reports:read", "orders:read"], "name": "Orders"}


def on_fastapi(verifier: AsyncVerifier) -> Any:
    app = fastapi.FastAPI()
    protect(app, verifier, **ABOUT)

    @app.get("/orders")
    async def orders(token: CurrentToken) -> dict[str, str]:
        return {"of": token.subject}

    @app.get("/me")
    def me(user: CurrentUser) -> dict[str, str]:
        return {"of": user.subject}

    @app.delete("/orders", dependencies=[require_role("admin")])
    async def remove() -> None:
        """Remove all."""

    @app.get("/reports")
    async def reports(token: Annotated[AccessToken, require_scope("reports:read")]) -> str:
        return token.subject

    @app.post("/payments", dependencies=[require_recent_sign_in(max_age=300)])
    async def pay() -> None:
        """Pay."""

    @app.get("/health")
    async def health() -> str:
        return "well"

    return app


def on_starlette(verifier: AsyncVerifier) -> Any:
    async def orders(request: StarletteRequest) -> JSONResponse:
        return JSONResponse({"of": request.state.token.subject})

    async def me(request: StarletteRequest) -> JSONResponse:
        request.state.token.require_user()
        return JSONResponse({"of": request.state.token.subject})

    async def remove(request: StarletteRequest) -> JSONResponse:
        request.state.token.require_role("admin")
        return JSONResponse({})

    async def reports(request: StarletteRequest) -> JSONResponse:
        request.state.token.require_scope("reports:read")
        return JSONResponse({})

    async def pay(request: StarletteRequest) -> JSONResponse:
        asgi.token_of(request.scope).require_recent_sign_in(300, now=verifier.now())
        return JSONResponse({})

    async def health(_: StarletteRequest) -> PlainTextResponse:
        return PlainTextResponse("well")

    return Starlette(
        routes=[
            Route("/orders", orders),
            Route("/orders", remove, methods=["DELETE"]),
            Route("/me", me),
            Route("/reports", reports),
            Route("/payments", pay, methods=["POST"]),
            Route("/health", health),
        ],
        middleware=[
            Middleware(asgi.KeyfobMiddleware, verifier=verifier, public=["/health"], **ABOUT)
        ],
    )


def on_litestar(verifier: AsyncVerifier) -> Any:
    @get("/orders")
    async def orders(request: "Request[Any, Any, Any]") -> dict[str, str]:
        return {"of": request.state.token.subject}

    @get("/me", guards=[requires(verifier, user=True)])
    async def me(request: "Request[Any, Any, Any]") -> dict[str, str]:
        return {"of": request.state.token.subject}

    @delete("/orders", status_code=200, guards=[requires(verifier, role="admin")])
    async def remove() -> None:
        """Remove all."""

    @get("/reports", guards=[requires(verifier, scope="reports:read")])
    async def reports() -> None:
        """Report."""

    @post("/payments", status_code=200, guards=[requires(verifier, max_age=300)])
    async def pay() -> None:
        """Pay."""

    @get("/health")
    async def health() -> str:
        return "well"

    app = Litestar(
        [orders, me, remove, reports, pay, health], exception_handlers=refusals(verifier)
    )
    return asgi.KeyfobMiddleware(app, verifier, public=["/health"], **ABOUT)  # type: ignore[arg-type]


def on_flask_with_threads(verifier: Verifier) -> Any:
    app = flask.Flask("orders")
    keyfob = keyfob_client.flask.Keyfob(app, verifier, **ABOUT)

    @app.get("/orders")
    @keyfob.protected()
    def orders() -> dict[str, str]:
        return {"of": flask.g.token.subject}

    @app.get("/me")
    @keyfob.protected(user=True)
    def me() -> dict[str, str]:
        return {"of": flask.g.token.subject}

    @app.delete("/orders")
    @keyfob.protected(role="admin")
    def remove() -> str:
        return ""

    @app.get("/reports")
    @keyfob.protected(scope=["reports:read"])
    def reports() -> str:
        return ""

    @app.post("/payments")
    @keyfob.protected(max_age=300)
    def pay() -> str:
        return ""

    @app.get("/health")
    def health() -> str:
        return "well"

    return app


def on_wsgi_with_threads(verifier: Verifier) -> Any:
    @WerkzeugRequest.application
    def app(request: WerkzeugRequest) -> WerkzeugResponse:
        if request.path == "/health":
            return WerkzeugResponse("well")
        token = wsgi.token_of(request.environ)
        if request.path == "/me":
            token.require_user()
        if request.method == "DELETE":
            token.require_role("admin")
        if request.path == "/reports":
            token.require_scope("reports:read")
        if request.path == "/payments":
            token.require_recent_sign_in(300, now=verifier.now())
        return WerkzeugResponse(json.dumps({"of": token.subject}))

    return wsgi.KeyfobMiddleware(app, verifier, public=["/health"], **ABOUT)


def _django(verifier: Verifier, *, is_async: bool) -> None:
    keyfob = keyfob_client.django.Keyfob(verifier, **ABOUT)

    def view(**needs: Any) -> Callable[..., Any]:
        def answer(request: Any) -> HttpResponse:
            return JsonResponse({"of": request.token.subject})

        async def answer_later(request: Any) -> HttpResponse:
            return answer(request)

        return keyfob.protected(**needs)(answer_later if is_async else answer)

    orders, remove = view(), view(role="admin")

    def either(request: Any) -> Any:
        return (remove if request.method == "DELETE" else orders)(request)

    async def either_later(request: Any) -> Any:
        return await either(request)

    vars(either)["csrf_exempt"] = vars(either_later)["csrf_exempt"] = True
    urls: Any = ModuleType("urls")
    urls.urlpatterns = [
        path("orders", either_later if is_async else either),
        path("me", view(user=True)),
        path("reports", view(scope="reports:read")),
        path("payments", view(max_age=300)),
        path("health", lambda _: HttpResponse("well")),
        *keyfob.urls,
    ]
    if not settings.configured:
        settings.configure(
            SECRET_KEY="-" * 50,
            ALLOWED_HOSTS=["*"],
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
        )
        django.setup()
    settings.ROOT_URLCONF = urls
    django.urls.clear_url_caches()


def on_django_with_threads(verifier: Verifier) -> Any:
    _django(verifier, is_async=False)
    return get_wsgi_application()


def on_django_asgi_with_threads(verifier: Verifier) -> Any:
    _django(verifier, is_async=True)
    return get_asgi_application()


APPS: dict[str, Callable[[Any], Any]] = {
    "django (asgi)": on_django_asgi_with_threads,
    "django (wsgi)": on_django_with_threads,
    "fastapi": on_fastapi,
    "flask (wsgi)": on_flask_with_threads,
    "litestar": on_litestar,
    "starlette": on_starlette,
    "werkzeug (wsgi)": on_wsgi_with_threads,
}
