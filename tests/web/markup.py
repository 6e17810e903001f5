"""The HTML of pages, as a browser reads it: sound or not, and its forms."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import html5lib
import httpx
from fastapi.routing import APIRoute
from tests.fixtures.world import World

from keyfob.web.visits import PageRoute

OURS = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True)
class Input:
    """A field of a form; a textarea has no type."""

    name: str
    type: str
    autocomplete: str
    is_readonly: bool
    value: str


@dataclass(frozen=True)
class Form:
    """A form: its path, without the public prefix, and its fields."""

    method: str
    path: str
    inputs: tuple[Input, ...]

    @property
    def fields(self) -> dict[str, str]:
        """The fields with their values, as the form would be sent untouched."""
        return {one.name: one.value for one in self.inputs}


@lru_cache(maxsize=8)
def parse(html: str) -> Element:
    """Parse a page; fail if anything in it is not as the standard says.

    It takes longer than to make the page, and one is often looked at several times; change nothing.
    """
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    page: Element = parser.parse(html)
    assert [error[1] for error in parser.errors] == []
    return page


def ensure_sound(page: Element) -> None:
    """Fail if a page breaks the policy of its headers, or what scripts and labels rely on."""
    attributes = [(name, value) for one in page.iter() for name, value in one.attrib.items()]
    ids = Counter(value for name, value in attributes if name == "id")
    assert [one for one, count in ids.items() if count > 1] == []
    assert [*page.iter("style"), *(one for one in page.iter("script") if not one.get("src"))] == []
    assert {name for name, _ in attributes if name.startswith("on") or name == "style"} == set()
    referred = {
        one
        for name, value in attributes
        if name in {"aria-describedby", "aria-labelledby", "for"}
        for one in value.split()
    }
    assert referred - set(ids) == set()


def forms_of(answer: httpx.Response) -> list[Form]:
    """Return the forms of a page."""
    return list(_forms(parse(answer.text)))


def form_to(answer: httpx.Response, path: str) -> Form:
    """Return the form that is sent to a path."""
    return next(form for form in forms_of(answer) if urlsplit(form.path).path == path)


def _forms(page: Element) -> Iterator[Form]:
    for form in page.iter("form"):
        found = [one for tag in ("input", "textarea", "select") for one in form.iter(tag)]
        yield Form(
            method=form.attrib.get("method", "get"),
            path=form.attrib.get("action", "").removeprefix("/auth"),
            inputs=tuple(
                Input(
                    name=one.attrib.get("name", ""),
                    type=one.attrib.get("type", ""),
                    autocomplete=one.attrib.get("autocomplete", ""),
                    is_readonly="readonly" in one.attrib,
                    value=one.attrib.get("value", ""),
                )
                for one in found
            ),
        )


def is_page(answer: httpx.Response) -> bool:
    """Tell whether something is answered that a reader sees."""
    return answer.headers.get("content-type", "").startswith("text/html")


def page_routes(world: World, method: str) -> list[APIRoute]:
    """Return the routes of pages with a method, without streams, which do not end by themselves.

    Nor does the one for all that is nowhere count.
    """
    return [
        route
        for route in world.app.routes
        if isinstance(route, PageRoute)
        and method in route.methods
        and not re.search(r"\{\w+:path\}|/live$", route.path)
    ]


async def send(
    page: httpx.AsyncClient, shown: httpx.Response, path: str, **typed: str
) -> httpx.Response:
    """Fill in a form of a page and send it."""
    form = form_to(shown, path)
    assert form.method == "post"
    return await page.post(form.path, data={**form.fields, **typed})


async def open_link(page: httpx.AsyncClient, what: str, token: str) -> httpx.Response:
    """Do what the script does with the token of a link: put it into the form and send that."""
    shown = await page.get(f"/ui/{what}")
    return await send(page, shown, f"/ui/{what}/open", token=token)
