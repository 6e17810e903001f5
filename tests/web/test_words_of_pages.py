"""Every page, in a made-up language: no words that were never marked, and sound HTML."""

import re
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from fastapi.routing import APIRoute
from tests.fixtures.pseudo import PseudoTranslations
from tests.fixtures.world import PASSWORD, World
from tests.web.markup import ensure_sound, parse

from keyfob.authority.models import Role
from keyfob.core.locales import CATALOGUES, Locale

# What is not ours to translate: code, keys, names of people and machines, languages in themselves.
_FOREIGN = {"script", "style", "svg", "code", "kbd", "samp", "pre"}
_FOREIGN |= {"bdi", "time", "option", "textarea"}
_SPOKEN = {"title", "alt", "placeholder", "aria-label", "aria-description"}
_MARKED = re.compile(r"\[!!!(?:(?!\[!!!).)*?!!!\]", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]{2,}")
_OURS = {"Keyfob", "UTC", "English", "Русский", "root", "example", "com", "Ada", "ada"}


def texts_of(element: Element) -> Iterator[str]:
    """Yield the texts of a page, those of attributes between marks of their own."""
    for name in _SPOKEN & set(element.attrib):
        yield f"\0{element.attrib[name]}\0"
    if element.tag not in _FOREIGN:
        yield element.text or ""
        for child in element:
            yield from texts_of(child)
            yield child.tail or ""


def unmarked_words(page: Element) -> set[str]:
    """Return the words that no catalogue has said."""
    left = "".join(texts_of(page))
    while _MARKED.search(left):
        left = _MARKED.sub(" ", left)
    return set(_WORD.findall(left)) - _OURS


def paths_of_pages(world: World) -> list[str]:
    """Return the paths of pages that need no id; what is sent live has no end."""
    return sorted(
        route.path
        for route in world.app.routes
        if isinstance(route, APIRoute)
        and "GET" in route.methods
        and re.match(r"/(ui|console)(/|$)", route.path)
        and "{" not in route.path
        and not route.path.endswith("/live")
    )


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUES, Locale.ENGLISH, PseudoTranslations())


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("role", [None, Role.ADMIN])
async def test_every_word_of_every_page_is_marked(world: World, role: Role | None) -> None:
    await world.make_user("root@example.com", role=Role.ADMIN)
    ada = await world.make_user("ada@example.com", name="Ada")
    found: dict[str, Any] = {}
    async with world.client(**{"Sec-Fetch-Site": "same-origin"}) as browser:
        if role:
            form = {"email": "root@example.com", "password": PASSWORD}
            await browser.post("/ui/sign-in", data=form)
        for path in [*paths_of_pages(world), f"/console/users/{ada}"]:
            answer = await browser.get(path)
            if answer.text and "Accept-Language" in answer.headers.get("vary", ""):
                page = parse(answer.text)
                ensure_sound(page)
                found[path] = unmarked_words(page)

    assert len(found) >= 2
    assert {path: words for path, words in found.items() if words} == {}
