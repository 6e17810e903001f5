"""Swagger UI and ReDoc, with assets from the service itself: no CDN learns who reads them."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from string import Template

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from keyfob.web.assets import add_asset

# Both use inline styles; scripts come only from the service. ReDoc searches in a web worker.
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)
_HEADERS = {"Content-Security-Policy": _CSP, "Cross-Origin-Opener-Policy": "same-origin"}

_OURS = Path(__file__).parent / "static"

_SWAGGER = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Keyfob - Swagger UI</title>
<link rel="icon" href="${root}/docs/favicon.svg">
<link rel="stylesheet" href="${root}/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui" data-schema="${root}/openapi.json"></div>
<script src="${root}/docs/swagger-ui-bundle.js"></script>
<script src="${root}/docs/start-swagger.js"></script>
</body>
</html>
""")

_REDOC = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Keyfob - ReDoc</title>
<link rel="icon" href="${root}/docs/favicon.svg">
</head>
<body>
<div id="redoc" data-schema="${root}/openapi.json"></div>
<script src="${root}/docs/redoc.standalone.js"></script>
<script src="${root}/docs/start-redoc.js"></script>
</body>
</html>
""")


def _assets() -> dict[str, Path]:
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:  # pragma: no cover - a pinned dependency
        raise ImportError("fastapi-offline is not installed")
    theirs = Path(spec.origin).parent / "static"
    return {
        "swagger-ui.css": theirs / "swagger-ui.css",
        "swagger-ui-bundle.js": theirs / "swagger-ui-bundle.js",
        "redoc.standalone.js": theirs / "redoc.standalone.js",
        "start-swagger.js": _OURS / "start-swagger.js",
        "start-redoc.js": _OURS / "start-redoc.js",
        "favicon.svg": _OURS / "favicon.svg",
    }


@cache
def docs_routes(root_path: str, *, swagger: bool, redoc: bool) -> APIRouter:
    """Return the routes of the enabled pages, the same for each app of a process.

    Args:
        root_path: the public prefix, under which the browser finds schema and assets.
        swagger: whether to serve /docs.
        redoc: whether to serve /redoc.
    """
    routes = APIRouter(include_in_schema=False)
    if swagger:
        _add_page(routes, "/docs", _SWAGGER.substitute(root=root_path))
    if redoc:
        _add_page(routes, "/redoc", _REDOC.substitute(root=root_path))
    if swagger or redoc:
        for name, path in _assets().items():
            add_asset(routes, f"/docs/{name}", path)
    return routes


def _add_page(routes: APIRouter, path: str, html: str) -> None:
    async def page() -> Response:
        return HTMLResponse(html, headers=_HEADERS)

    routes.add_api_route(path, page, methods=["GET"])
