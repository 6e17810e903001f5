"""From a page's model to HTML: one environment of Jinja, made with the first page."""

import asyncio
import re
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol
from urllib.parse import urlencode

from fastapi import APIRouter
from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    pass_eval_context,
)
from jinja2.nodes import EvalContext
from markupsafe import Markup

from keyfob.accounts.models import OwnUserOut
from keyfob.core.locales import Locale, gettext, install_words
from keyfob.web.assets import Assets, add_asset, add_text
from keyfob.web.parts import names, refusals, times

HERE = Path(__file__).parent

# Forms that are carried out for whoever is signed in. Values are escaped, so none contains a ">".
_OF_USERS = r"""<form\b[^>]*\bmethod="post" action="{root}/(?:console|ui/(?:{own}))\b[^>]*>"""
_OWN = "account|authorize|device|step-up|verify/mine"

_TURN = 0.001  # seconds; then it is the turn of others, such as a refresh


class Page(Protocol):
    """A model of a page: a frozen dataclass that names its template."""

    template: ClassVar[str]


@dataclass(frozen=True, kw_only=True)
class Brand:
    """The name and the looks of a deployment; without a logo or an accent, ours.

    `logo` is the public path of `logo_file`; `stylesheet` has the colours of the accent.
    """

    name: str = "Keyfob"
    logo: str | None = None
    logo_file: Path | None = None
    accent: str | None = None
    stylesheet: str = ""


class Undo(NamedTuple):
    """The form of a toast that undoes what was just done; `recent` if that needs such a sign-in."""

    action: str
    fields: Mapping[str, str]
    recent: bool


class Said(NamedTuple):
    """Sentences about the last form: what was done, with a way to undo it, or what was not."""

    toast: str | None = None
    undo: Undo | None = None
    not_done: str | None = None


NOTHING = Said()


@dataclass(frozen=True, kw_only=True)
class Shell:
    """The surroundings of every page: the reader, the language, and the place.

    `root` is the public path before `/ui` and `/console`; `path` that of this page, without it.
    `query` is kept by the switch of language, which is there if `can_move`: the page can be asked
    for once more. `can` contains the reader's permissions. `session_ends_in` is in seconds;
    `can_stay`: not if the reader does something until then. `signs_in` is false where there are
    pages of links alone.
    `is_compact`: the reader wants low rows in tables.
    """

    root: str
    signs_in: bool
    path: str
    query: str
    locale: Locale
    zone: str | None
    user: OwnUserOut | None
    can: frozenset[str]
    brand: Brand
    said: Said = NOTHING
    session_ends_in: int | None = None
    can_stay: bool = True
    can_move: bool = True
    is_compact: bool = False

    @property
    def languages(self) -> list[Locale]:
        """All languages, for the switch."""
        return list(Locale)


class Engine:
    """Renders pages. `further` is a folder whose templates replace ours, file by file.

    `signs_in`: there are pages for signing in; else none gives a cookie, or leads to one of them.
    """

    def __init__(
        self, root: str, *, brand: Brand, signs_in: bool, further: Path | None = None
    ) -> None:
        self.root = root
        self.signs_in = signs_in
        self.brand = brand
        self._further = further
        self._forms = re.compile(_OF_USERS.format(root=re.escape(root), own=_OWN))
        self._environment: Environment | None = None
        self._compiling = asyncio.Lock()

    async def render(self, page: Page, shell: Shell) -> str:
        """Return the HTML of a page, in the language that is spoken (`locales.speaking`)."""
        if self._environment is None:
            # It takes a second; once, in a thread, so that everybody else waits for nothing.
            async with self._compiling:
                if self._environment is None:
                    self._environment = await asyncio.to_thread(_compiled, self.root, self._further)
        template = self._environment.get_template(page.template)
        parts: list[str] = []
        ends = time.perf_counter() + _TURN
        for part in template.generate({"page": page, "shell": shell}):
            parts.append(part)
            if time.perf_counter() > ends:
                await asyncio.sleep(0)
                ends = time.perf_counter() + _TURN
        return self._for_user("".join(parts), shell.user) if shell.user else "".join(parts)

    def _for_user(self, html: str, user: OwnUserOut) -> str:
        """Have each form of a user say whose it is; `visits` refuses it from anybody else."""
        field = f'<input type="hidden" name="user_id" value="{user.id}">'
        return self._forms.sub(lambda form: form[0] + field, html)

    def routes(self) -> APIRouter:
        """Return the routes of the static files."""
        routes = APIRouter(include_in_schema=False)
        if self.brand.logo_file is not None:
            add_asset(routes, "/ui/static/logo.svg", self.brand.logo_file)
        if self.brand.stylesheet:
            sheet = self.brand.stylesheet.encode()
            add_text(routes, "/ui/static/accent.css", sheet, "text/css")
        routes.add_api_route("/ui/static/{name}", _assets.answer, methods=["GET"])
        return routes


_assets = Assets(HERE / "static")


class _Templates(Environment):
    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Give a template the names that all have, as they are now.

        Each page copies them, and Jinja's own map would take a tenth of its time for that.
        """
        return {**self.globals, **(d or {})}


@cache
def _compiled(root: str, further: Path | None) -> Environment:
    """Return an environment with all templates compiled, the same for each app of a process."""
    ours = FileSystemLoader(HERE / "templates")
    loader = ChoiceLoader([FileSystemLoader(further), ours]) if further else ours
    environment = _Templates(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    install_words(environment)
    environment.globals["_"] = _said
    environment.globals["query"] = _query
    environment.globals["asset"] = lambda file: f"{root}/ui/static/{_assets.name_of(file)}"
    environment.filters.update(times.FILTERS)
    environment.filters["refusal"] = refusals.refusal
    environment.filters["name"] = names.name
    environment.filters["plain_name"] = names.plain_name
    draw = environment.get_template("parts/icons.html").module.icon  # type: ignore[attr-defined] # a macro of the template
    environment.globals["icon"] = cache(draw)  # a list has dozens of the same
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)
    return environment


def _query(**parameters: str) -> str:
    """Return a query with its question mark; parameters without a value are left out."""
    kept = {name: value for name, value in parameters.items() if value}
    return f"?{urlencode(kept)}" if kept else ""


@pass_eval_context
def _said(context: EvalContext, message: str, **holes: object) -> str:
    """Return a sentence as Jinja's own `_` does, at a third of the cost: a page has hundreds."""
    words = gettext(message)
    whole = Markup(words) if context.autoescape else words  # noqa: S704 - of our catalogues
    return whole % holes if holes or "%" in words else whole
