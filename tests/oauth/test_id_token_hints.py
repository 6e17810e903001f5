"""An app names the user that it asks for by an ID token of theirs (OpenID Connect Core 3.1.2.1)."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import App, allowed, answer_of, decided, make_app, onward
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import OURS, signed_in, text_of, went_to

EVE = {"email": "eve@example.com", "password": PASSWORD}
BACK = {"email": "ada@example.com", "password": PASSWORD}


@pytest.fixture
async def ada(world: World) -> UUID:
    await world.make_user("eve@example.com")
    return await world.make_user(name="Ada")


@pytest.fixture
async def app(world: World) -> App:
    return await make_app(world)


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with Ada's session."""
    async with signed_in(world) as browser:
        yield browser


@pytest.fixture
async def hint(app: App, browser: httpx.AsyncClient) -> str:
    """Ada's ID token for the app."""
    token: str = (await app.tokens(browser))["id_token"]
    return token


async def test_its_user_is_answered_also_when_it_has_expired(
    app: App, browser: httpx.AsyncClient, hint: str, clock: MovableClock
) -> None:
    fresh = answer_of(await app.send(browser, prompt="none", id_token_hint=hint))
    clock.advance(7200)
    async with signed_in(app.world) as later:
        old = answer_of(await app.send(later, prompt="none", id_token_hint=hint))

    assert "code" in fresh
    assert "code" in old


async def test_nobody_else_is_answered_for_without_a_page(
    world: World, app: App, hint: str
) -> None:
    async with signed_in(world, "eve@example.com") as eve:
        await app.code(eve)
        answer = answer_of(await app.send(eve, prompt="none", id_token_hint=hint))

    assert answer["error"] == "login_required"
    assert answer["state"] == "af0ifjsldkj"


async def test_whoever_else_is_signed_in_is_asked_to_use_the_other_account(
    world: World, app: App, ada: UUID, hint: str
) -> None:
    async with signed_in(world, "eve@example.com") as eve:
        await app.code(eve)
        page = await onward(eve, await app.send(eve, id_token_hint=hint))
        pressed = await decided(eve, page, "allow")
        here = went_to(pressed)
        await eve.post("/ui/sign-out", data={"return_to": f"/auth{here}"})
        await eve.post("/ui/sign-in", data=BACK)
        answer = answer_of(await allowed(eve, await eve.get(here)))

    assert "signed in as eve@example.com" in text_of(page)
    assert "It asks for another account than this one." in text_of(page)
    assert 'value="allow"' not in page.text
    tokens = (await app.exchange(answer["code"])).json()
    assert (
        str(ada)
        == (
            await app.world.api.get(
                "/oauth2/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"}
            )
        ).json()["sub"]
    )


async def test_whoever_else_is_signed_in_may_refuse(world: World, app: App, hint: str) -> None:
    async with signed_in(world, "eve@example.com") as eve:
        page = await onward(eve, await app.send(eve, id_token_hint=hint))
        answer = answer_of(await decided(eve, page, "deny"))

    assert answer["error"] == "access_denied"


async def test_nobody_else_is_answered_for_who_signs_in_only_then(
    world: World, app: App, hint: str
) -> None:
    async with world.client(**OURS) as browser:
        sent = await onward(browser, await app.send(browser, id_token_hint=hint))
        form = {**EVE, "return_to": sent.url.params["return_to"]}
        page = await onward(browser, await browser.post("/ui/sign-in", data=form))

    assert "It asks for another account than this one." in text_of(page)


async def test_what_is_no_id_token_of_the_app_is_neither_believed_nor_an_error(
    world: World, app: App, hint: str, ada: UUID
) -> None:
    other = await make_app(world)
    async with signed_in(world) as browser:
        of_another = (await other.tokens(browser))["id_token"]
    head, body, _ = hint.split(".")
    strange = ["", "x", "a.b.c", "ß.ß.ß", "x" * 9000, f"{head}.{body}.", hint[:-8], of_another]
    async with signed_in(world, "eve@example.com") as eve:
        await app.code(eve)
        for text in strange:
            answer = answer_of(await app.send(eve, prompt="none", id_token_hint=text))
            assert "code" in answer, text[:20]
