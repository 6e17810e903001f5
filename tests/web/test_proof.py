"""A recent sign-in, asked for in a dialog: the answers to the script, and the forms that ask."""

from collections.abc import Iterator
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import pytest
from fastapi.routing import APIRoute
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import signed_in, went_to
from tests.web.markup import form_to, is_page, page_routes, parse
from tests.web.test_rules_of_pages import Readers, readers

from keyfob.authority.requiring import Requirement

__all__ = ["readers"]  # a fixture

PROOF = "/ui/step-up"
LONG = 3600


def requirement_of(route: APIRoute) -> Requirement | None:
    found = [one.call for one in route.dependant.dependencies]
    return next((one for one in found if isinstance(one, Requirement)), None)


async def test_a_script_is_told_or_answered_by_the_question(
    world: World, clock: MovableClock
) -> None:
    await world.make_user("ada@example.com")
    async with signed_in(world) as page:
        recent = await page.get(PROOF)
        clock.advance(LONG)
        asked = await page.get(PROOF)
        form = form_to(asked, PROOF)
        wrong = await page.post(PROOF, data={**form.fields, "step-up-password": "not this one"})
        proven = await page.post(PROOF, data={**form.fields, "step-up-password": PASSWORD})
        renewed = await page.get(PROOF)

    assert recent.json() == renewed.json() == {"recent": True}
    assert recent.headers["cache-control"] == "no-store"
    assert asked.status_code == wrong.status_code == 401
    assert "data-proof" in asked.text
    assert "data-proof" in wrong.text
    assert form.fields["return_to"] == "/auth" + PROOF  # its answer says that it is done
    assert went_to(proven) == PROOF


async def test_whoever_has_a_factor_is_asked_for_it(world: World, clock: MovableClock) -> None:
    await world.make_user("ada@example.com")
    async with signed_in(world) as page:
        app = await add_totp(world, await world.log_in(), clock)
        asked = await page.get(PROOF)  # this session has used none
        form = form_to(asked, PROOF)
        proven = await page.post(PROOF, data={**form.fields, "step-up-code": app.code(1)})
        renewed = await page.get(PROOF)

    assert 'name="step-up-password"' not in asked.text
    assert went_to(proven) == PROOF
    assert renewed.json() == {"recent": True}


async def test_a_stranger_signs_in(world: World) -> None:
    async with world.client() as page:
        answer = await page.get(PROOF)

    assert went_to(answer).startswith("/ui/sign-in")


def controls_in(page: Element) -> Iterator[tuple[str, str, bool]]:
    """Yield the method and the path of each form and link of a page, and whether it asks first."""
    for one in page.iter():
        if one.tag in {"form", "a"}:
            place = urlsplit(one.attrib.get("action" if one.tag == "form" else "href", ""))
            path = place.path.removeprefix("/auth")
            yield one.attrib.get("method", "get").upper(), path, "data-recent" in one.attrib


@pytest.mark.parametrize("who", ["user", "admin"])
async def test_what_needs_a_recent_sign_in_asks_before_it_is_sent(
    readers: Readers, who: str
) -> None:
    routes = [
        (method, route)
        for method in ("GET", "POST")
        for route in page_routes(readers.world, method)
    ]
    unmarked, marked = set(), 0
    for path in readers.gets():
        answer = await readers.browsers[who].get(path)
        if not is_page(answer) or answer.status_code != 200:
            continue
        for method, place, asks in controls_in(parse(answer.text)):
            fitting = next(
                (one for kind, one in routes if kind == method and one.path_regex.match(place)),
                None,
            )
            needed = requirement_of(fitting) if fitting else None
            marked += asks
            if needed and needed.recent and not asks:
                unmarked.add((path, method, place))

    assert unmarked == set()
    assert marked > 5
