"""The pages that links in mails open; their button sends the link's token to the API.

The token is in the URL's fragment, which browsers do not send. A GET has no effects, since some
mail filters follow every link.
"""

from functools import cache
from pathlib import Path
from string import Template

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from keyfob.web.assets import add_asset

_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}

_HERE = Path(__file__).parent
_ASSETS = ("page.js", "page-texts.js", "page.css", "favicon.svg")

# For each page: its title, its forms, and texts in a form that two pages share.
_PAGES: dict[str, tuple[str, list[str], dict[str, str]]] = {
    "verify": ("Confirm your address", ["verify.html", "ask.html"], {}),
    "recover": (
        "A new password",
        ["password.html", "ask.html"],
        {
            "lead": "Choose a new password. You will be signed out everywhere.",
            "submit": "Set the password",
        },
    ),
    "invite": (
        "Welcome",
        ["password.html"],
        {
            "lead": "An account was made for you. Choose its password.",
            "submit": "Set the password",
        },
    ),
    "email": ("Your new address", ["email.html"], {}),
}


@cache
def page_routes(root_path: str) -> APIRouter:
    """Return the routes of the pages and their assets, the same for each app of a process.

    Args:
        root_path: the public prefix, under which the browser finds the API and the assets.
    """
    routes = APIRouter(include_in_schema=False)
    for name in _PAGES:
        _add_page(routes, name, _html(name, root_path))
    for name in _ASSETS:
        add_asset(routes, f"/ui/{name}", _HERE / "static" / name)
    return routes


def _html(page: str, root: str) -> str:
    title, forms, words = _PAGES[page]
    body = "".join(_template(form).substitute(page=page, **words) for form in forms)
    return _template("page.html").substitute(page=page, title=title, body=body, root=root)


def _template(name: str) -> Template:
    return Template((_HERE / "templates" / name).read_text(encoding="utf-8"))


def _add_page(routes: APIRouter, name: str, html: str) -> None:
    async def page() -> Response:
        return HTMLResponse(html, headers=_HEADERS)

    routes.add_api_route(f"/ui/{name}", page, methods=["GET"])
