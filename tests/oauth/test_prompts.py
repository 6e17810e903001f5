"""An app asks for pages by `prompt` (OpenID Connect Core section 3.1.2.1; prompt=create)."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import App, allowed, answer_of, decided, make_app, onward
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import OURS, signed_in, text_of


@pytest.fixture
async def ada(world: World) -> UUID:
    """The user, whose address is verified."""
    return await world.make_user(name="Ada")


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


@pytest.mark.parametrize("first_party", [False, True])
async def test_to_choose_an_account_is_not_to_consent_unasked(
    world: World, browser: httpx.AsyncClient, *, first_party: bool
) -> None:
    """Threat: after the account was chosen, consent is skipped on the side path."""
    app = await make_app(world, first_party=first_party)

    page = await onward(browser, await app.send(browser, prompt="select_account"))
    assert "Allow Ledger?" in text_of(page)
    assert "ada@example.com" in text_of(page)
    refused = answer_of(await decided(browser, page, "deny"))
    given = answer_of(await allowed(browser, await app.send(browser, prompt="select_account")))
    again = await onward(browser, await app.send(browser, prompt="select_account"))

    assert refused["error"] == "access_denied"
    assert "code" in given
    assert "Allow Ledger?" in text_of(again)


async def test_another_account_that_is_chosen_is_asked_itself(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_app(world)
    await app.code(browser)
    await world.make_user("eve@example.com")
    sent = await app.send(browser, prompt="select_account")
    await onward(browser, sent)

    form = {"email": "eve@example.com", "password": PASSWORD}
    await browser.post("/ui/sign-in", data=form)
    page = await onward(browser, sent)

    assert "Allow Ledger?" in text_of(page)
    assert "eve@example.com" in text_of(page)


@pytest.mark.parametrize("prompt", ["select_account", "create", "login", "consent"])
async def test_no_page_is_shown_to_none(app: App, browser: httpx.AsyncClient, prompt: str) -> None:
    both = answer_of(await app.send(browser, prompt=f"none {prompt}"))

    assert both["error"] == "invalid_request"


async def test_a_newcomer_makes_an_account_and_goes_on_to_the_app(world: World, app: App) -> None:
    async with world.client(**OURS) as newcomer:
        page = await onward(newcomer, await app.send(newcomer, prompt="create"))
        assert page.url.path.endswith("/ui/register")
        form = {
            "email": "new@example.com",
            "password": PASSWORD,
            "return_to": page.url.params["return_to"],
        }
        consent = await onward(newcomer, await newcomer.post("/ui/register", data=form))
        assert "Allow Ledger?" in text_of(consent)
        answer = answer_of(await decided(newcomer, consent, "allow"))

    assert (await app.exchange(answer["code"])).status_code == 200


async def test_who_is_signed_in_need_not_make_another_account(
    app: App, browser: httpx.AsyncClient
) -> None:
    page = await onward(browser, await app.send(browser, prompt="create"))

    assert "Allow Ledger?" in text_of(page)


@pytest.fixture
async def app(world: World) -> App:
    return await make_app(world)
