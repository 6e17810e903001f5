"""An app pushes its request, and the browser brings a `request_uri` alone (RFC 9126)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import App, allowed, answer_of, decided, make_app, onward
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import Program
from tests.fixtures.world import World
from tests.web.account_pages import OURS, signed_in, text_of

from keyfob.clients.models import Grant
from keyfob.oauth.authorization import Authorization
from keyfob.settings import Settings

pytestmark = pytest.mark.usefixtures("ada")


@pytest.fixture
async def ada(world: World) -> UUID:
    """The user, whose address is verified."""
    return await world.make_user(name="Ada")


@pytest.fixture
async def app(world: World) -> App:
    return await make_app(world)


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


async def test_a_pushed_request_is_answered_once(app: App, browser: httpx.AsyncClient) -> None:
    pushed = await app.push()
    uri = pushed.json()["request_uri"]

    answer = answer_of(await allowed(browser, await app.bring(browser, uri)))
    again = await app.bring(browser, uri)

    assert (pushed.status_code, pushed.json()["expires_in"]) == (201, 90)
    assert pushed.headers["cache-control"] == "no-store"
    assert uri.startswith("urn:ietf:params:oauth:request_uri:")
    assert answer["state"] == "af0ifjsldkj"
    assert (await app.exchange(answer["code"])).json()["scope"] == "openid profile email"
    assert (again.status_code, "location" in again.headers) == (400, False)


async def test_a_user_with_a_sign_in_and_consent_is_sent_on_at_once_and_once(
    app: App, browser: httpx.AsyncClient
) -> None:
    await app.code(browser)
    uri = (await app.push()).json()["request_uri"]

    answers = await asyncio.gather(*(app.bring(browser, uri) for _ in range(5)))

    codes = [answer for answer in answers if answer.status_code == 303]
    assert len(codes) == 1
    assert "code" in answer_of(codes[0])


async def test_to_look_at_the_page_first_uses_nothing_up(
    app: App, browser: httpx.AsyncClient
) -> None:
    uri = (await app.push()).json()["request_uri"]

    await onward(browser, await app.bring(browser, uri))
    page = await onward(browser, await app.bring(browser, uri))

    assert "Allow Ledger?" in text_of(page)
    assert "code" in answer_of(await decided(browser, page, "allow"))


async def test_a_browser_comes_soon_and_its_user_has_time(
    app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    late, in_time = [(await app.push()).json()["request_uri"] for _ in range(2)]

    clock.advance(89)
    page = await onward(browser, await app.bring(browser, in_time))
    clock.advance(2)
    refused = await app.bring(browser, late)
    known_already = await app.bring(browser, in_time)
    clock.advance(1800)
    answer = await decided(browser, page, "allow")

    assert refused.status_code == known_already.status_code == 400
    assert "code" in answer_of(answer)


async def test_only_the_client_that_pushed_it_is_answered(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    uri = (await app.push()).json()["request_uri"]
    other = await make_app(world)

    for wrong in (other.query(), {}, {"client_id": "x"}):
        params = {"request_uri": uri} | {k: v for k, v in wrong.items() if k == "client_id"}
        answer = await browser.get("/oauth2/authorize", params=params)
        assert (answer.status_code, "location" in answer.headers) == (400, False)
    assert "code" in answer_of(await allowed(browser, await app.bring(browser, uri)))


async def test_nothing_else_that_the_browser_says_counts(
    app: App, browser: httpx.AsyncClient
) -> None:
    uri = (await app.push(ui_locales="ru")).json()["request_uri"]
    more = app.query(
        scope="openid groups offline_access", redirect_uri="https://evil.example", state="other"
    )

    page = await onward(
        browser, await browser.get("/oauth2/authorize", params=more | {"request_uri": uri})
    )
    answer = answer_of(await decided(browser, page, "allow"))

    assert '<html lang="ru">' in page.text
    assert answer["state"] == "af0ifjsldkj"
    assert (await app.exchange(answer["code"])).json()["scope"] == "openid profile email"


async def test_a_form_may_bring_it_and_a_stranger_signs_in_first(world: World, app: App) -> None:
    uri = (await app.push()).json()["request_uri"]
    async with world.client(**OURS) as stranger:
        sent = await stranger.post(
            "/oauth2/authorize", data={"client_id": str(app.id), "request_uri": uri}
        )
        page = await onward(stranger, sent)

    assert page.url.path.endswith("/ui/sign-in")


async def test_without_a_page_the_app_is_told_once(world: World, app: App) -> None:
    uri = (await app.push(prompt="none")).json()["request_uri"]
    async with world.client(**OURS) as stranger:
        told = answer_of(await app.bring(stranger, uri))
        again = await app.bring(stranger, uri)

    assert told["error"] == "login_required"
    assert again.status_code == 400


REFUSED: list[tuple[dict[str, str | None], str]] = [
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": None}, "invalid_request"),
    ({"redirect_uri": "https://evil.example/callback"}, "invalid_request"),
    ({"redirect_uri": None}, "invalid_request"),
    ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"scope": None}, "invalid_scope"),
    ({"resource": "https://unknown.example.com"}, "invalid_target"),
    ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
    ({"request_uri": "https://app.example.com/r"}, "invalid_request"),
    ({"state": "s" * 2049}, "invalid_request"),
    ({"state": "\u20ac" * 683}, "invalid_request"),  # 2049 bytes
    ({"client_id": "01890000-0000-7000-8000-000000000000"}, "invalid_request"),
]


async def test_a_wrong_request_is_told_and_stored_nowhere(world: World, app: App) -> None:
    for changes, error in REFUSED:
        answer = await app.push(**changes)
        assert (answer.status_code, answer.json()["error"]) == (400, error), changes
    assert await world.db.fetchval("SELECT count(*) FROM authorization_requests") == 0


async def test_a_client_proves_itself_as_at_the_token_endpoint(world: World, app: App) -> None:
    public = await make_app(world, public=True)
    service = await make_app(world, grants=(Grant.CLIENT_CREDENTIALS,), redirect_uris=())

    nobody = await App(world, app.id, None).push()
    wrong = await App(world, app.id, "kfs_wrong").push()
    by_name = await public.push()
    machine = await service.push()

    assert nobody.status_code == wrong.status_code == 401
    assert nobody.json()["error"] == "invalid_client"
    assert by_name.status_code == 201
    assert machine.json()["error"] == "unauthorized_client"


async def test_each_parameter_stands_once_and_no_secret_in_the_query(
    world: World, app: App
) -> None:
    for name in app.query():
        answer = await app.push(into=f"?{name}=x")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), name
    secret = await app.push(into="?client_secret=x")
    no_form = await world.api.post("/oauth2/par", json=app.query())

    assert secret.status_code == no_form.status_code == 400


async def test_an_app_that_has_to_push_is_heard_no_other_way(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_app(world, require_par=True)

    linked = answer_of(await app.send(browser))
    foreign = await app.send(browser, redirect_uri="https://evil.example/callback")
    uri = (await app.push()).json()["request_uri"]

    assert linked["error"] == "invalid_request"
    assert foreign.status_code == 400
    assert "code" in answer_of(await allowed(browser, await app.bring(browser, uri)))


async def test_every_app_may_have_to_push(settings: Settings, clock: MovableClock) -> None:
    async with World(settings.model_copy(update={"require_par": True}), clock) as strict:
        app = await make_app(strict)
        async with strict.client(**OURS) as stranger:
            linked = answer_of(await app.send(stranger))
        told = (await strict.api.get("/.well-known/openid-configuration")).json()

    assert linked["error"] == "invalid_request"
    assert told["require_pushed_authorization_requests"] is True
    assert told["pushed_authorization_request_endpoint"].endswith("/oauth2/par")


async def test_a_client_pushes_so_many_a_minute_and_all_is_swept(
    settings: Settings, clock: MovableClock
) -> None:
    few = settings.model_copy(
        update={"limits": "on", "limit_push": "5/minute", "limit_authorize": "3/minute"}
    )
    async with World(few, clock) as world:
        app, public = await make_app(world), await make_app(world, public=True)
        answers = [await app.push() for _ in range(7)]
        of_public = [await public.push() for _ in range(5)]
        rows = await count_rows(world)
        clock.advance(91)
        await world.service(Authorization).clean_up()
        left = await count_rows(world)

    assert [answer.status_code for answer in answers] == [201] * 5 + [429] * 2
    assert [answer.status_code for answer in of_public] == [201] * 3 + [429] * 2
    assert "retry-after" in answers[-1].headers
    assert (rows, left) == (8, 0)


async def count_rows(world: World) -> Any:
    return await world.db.fetchval("SELECT count(*) FROM authorization_requests")


@pytest.mark.parametrize("rule", ["require_par", "require_pkce"])
async def test_a_request_from_before_a_rule_is_not_answered(
    world: World, ada: UUID, browser: httpx.AsyncClient, rule: str
) -> None:
    """Threat: somebody stores weak requests, and has them answered when they are not taken."""
    app = await make_app(world, require_pkce=False)
    plain = {"code_challenge": None, "code_challenge_method": None}
    page = await onward(browser, await app.send(browser, **plain))
    await Program(world, app.id, app.secret or "").change(revokes=False, **{rule: True})

    answer = await decided(browser, page, "allow")

    assert "Allow Ledger?" in text_of(page)
    assert (answer.status_code, "location" in answer.headers) == (400, False)
