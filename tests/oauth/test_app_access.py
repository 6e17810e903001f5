"""What apps have of a user is listed, and taken back by the user or an administrator."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import App, answer_of, make_app, onward
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import SignedIn, World
from tests.web.account_pages import signed_in, text_of

from keyfob.authority.models import Role


@pytest.fixture
async def ada_id(world: World) -> UUID:
    """The user, whose address is verified."""
    return await world.make_user(name="Ada")


@pytest.fixture
async def ada(world: World, ada_id: UUID) -> SignedIn:
    return await world.log_in()


@pytest.fixture
async def app(world: World) -> App:
    return await make_app(world)


@pytest.fixture
async def browser(world: World, ada_id: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


@pytest.fixture
async def root(world: World) -> SignedIn:
    await world.make_user("root@example.com", role=Role.ADMIN)
    return await world.log_in("root@example.com")


async def grants_of(
    world: World, caller: SignedIn, path: str = "/me/grants"
) -> list[dict[str, object]]:
    answer = await world.api.get(path, headers=caller.headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()
    return found


async def test_it_is_listed_what_each_app_has(
    world: World, app: App, browser: httpx.AsyncClient, ada: SignedIn, ada_id: UUID, root: SignedIn
) -> None:
    own = await make_app(world, name="Intranet", first_party=True)
    await make_app(world, name="Nobody's")
    before = await grants_of(world, ada)
    await app.tokens(browser)
    await app.tokens(browser, scope="openid offline_access")
    await own.tokens(browser)

    intranet, ledger = await grants_of(world, ada)

    assert before == []
    assert intranet["client_id"] == str(own.id)
    assert (intranet["given_at"], intranet["scope"], intranet["grants"]) == (None, [], 1)
    assert intranet["offline_access"] is False
    scope = ledger.pop("scope")
    assert isinstance(scope, list)
    assert set(scope) == {"openid", "profile", "email", "offline_access"}
    assert ledger == {
        "client_id": str(app.id),
        "name": "Ledger",
        "audience": [],
        "given_at": "2026-11-22T12:00:00Z",
        "grants": 2,
        "last_used_at": "2026-11-22T12:00:00Z",
        "offline_access": True,
    }
    assert await grants_of(world, root, f"/admin/users/{ada_id}/grants") == [
        intranet,
        {**ledger, "scope": scope},
    ]
    assert await grants_of(world, root) == []


@pytest.mark.parametrize("by", ["the owner", "an administrator"])
async def test_what_is_taken_back_ends_at_once(
    world: World,
    app: App,
    browser: httpx.AsyncClient,
    ada: SignedIn,
    ada_id: UUID,
    root: SignedIn,
    by: str,
) -> None:
    other = await make_app(world, name="Other")
    others = await other.tokens(browser)
    first = await app.tokens(browser, scope="openid offline_access")
    second = await app.tokens(browser)
    code = await app.code(browser)
    caller = ada if by == "the owner" else root
    path = "/me/grants" if by == "the owner" else f"/admin/users/{ada_id}/grants"

    done = await world.api.delete(f"{path}/{app.id}", headers=caller.headers)
    again = await world.api.delete(f"{path}/{app.id}", headers=caller.headers)

    assert done.status_code == 204
    assert (again.status_code, again.json()["code"]) == (404, "grant_not_found")
    for tokens in (first, second):
        assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await world.api.get("/oauth2/userinfo", headers=bearer)).status_code == 401
    assert (await app.exchange(code)).json()["error"] == "invalid_grant"
    assert "Allow Ledger?" in text_of(await onward(browser, await app.send(browser)))
    assert (await other.refresh(others["refresh_token"])).status_code == 200
    assert "code" in answer_of(await other.send(browser))
    event = await world.db.fetchrow(
        "SELECT actor_id, target_id, old_values::text AS old FROM audit_events"
        " WHERE action = 'app.removed'"
    )
    assert event["target_id"] == ada_id
    assert (event["actor_id"] == ada_id) is (by == "the owner")
    assert "Ledger" in event["old"]


async def test_only_what_is_ones_own_is_taken_back(
    world: World, app: App, browser: httpx.AsyncClient, ada_id: UUID
) -> None:
    tokens = await app.tokens(browser)
    await world.make_user("eve@example.com")
    eve = await world.log_in("eve@example.com")

    for path in (f"/me/grants/{app.id}", f"/me/grants/{ada_id}"):
        assert (await world.api.delete(path, headers=eve.headers)).status_code == 404
    refused = await world.api.delete(f"/admin/users/{ada_id}/grants/{app.id}", headers=eve.headers)

    assert refused.status_code == 403
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200


async def test_an_administrator_proves_it_once_more_to_take_from_another(
    world: World, app: App, clock: MovableClock
) -> None:
    ids = {}
    for name in ("root", "chief"):
        ids[name] = await world.make_user(f"{name}@example.com", role=Role.ADMIN)
        await app.be_allowed(ids[name])
    chief = await world.log_in("chief@example.com")
    clock.advance(minutes=20)
    chief = SignedIn.of(await world.refresh(chief.refresh))

    others, own, nobodys = [
        await world.api.delete(f"/admin/users/{user_id}/grants/{app.id}", headers=chief.headers)
        for user_id in (ids["root"], ids["chief"], app.id)
    ]

    assert others.json()["code"] == "insufficient_user_authentication"
    assert own.status_code == 204
    assert nobodys.json()["code"] == "user_not_found"


async def test_of_an_exchange_and_a_taking_back_at_once_nothing_stays(
    world: World, app: App, browser: httpx.AsyncClient, ada: SignedIn
) -> None:
    for _ in range(5):
        code = await app.code(browser)
        exchanged, taken = await asyncio.gather(
            app.exchange(code), world.api.delete(f"/me/grants/{app.id}", headers=ada.headers)
        )
        assert taken.status_code == 204
        assert exchanged.status_code in {200, 400}
        assert await grants_of(world, ada) == []


async def test_the_export_tells_what_apps_may_have(
    world: World, app: App, ada: SignedIn, ada_id: UUID
) -> None:
    await app.be_allowed(ada_id)

    document = (await world.api.get("/me/export", headers=ada.headers)).json()

    assert document["consents"] == [
        {
            "client_id": str(app.id),
            "name": "Ledger",
            "scope": ["openid"],
            "audience": [],
            "given_at": "2026-11-22T12:00:00Z",
        }
    ]


async def test_the_page_lists_apps_and_takes_back_what_one_has(
    app: App, browser: httpx.AsyncClient
) -> None:
    empty = await browser.get("/ui/account/apps")
    tokens = await app.tokens(browser, scope="openid offline_access")
    listed = await browser.get("/ui/account/apps")

    path = f"/ui/account/apps/{app.id}/remove"
    done = await onward(browser, await browser.post(path))
    again = await browser.post(path)

    assert "No app has access" in text_of(empty)
    assert "Ledger" in text_of(listed)
    assert "also while you are signed out" in text_of(listed)
    assert path in listed.text
    assert "No app has access" in text_of(done)
    assert again.status_code == 404
    assert "This app has no access any more." in text_of(again)
    assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("document", "uris", "words"),
    [
        (
            "https://notes.example.com/client.json",
            ("https://notes.example.org/callback", "https://notes.example.org/other"),
            "It describes itself at notes.example.com, and leads back to notes.example.org.",
        ),
        (
            None,
            ("https://evil.example.com/callback",),
            "It has registered itself, and leads back to evil.example.com.",
        ),
        (
            None,
            ("http://127.0.0.1/callback",),
            "It has registered itself, and runs on a device of its user.",
        ),
    ],
)
async def test_of_an_app_that_nobody_here_knows_its_places_are_shown(
    world: World,
    app: App,
    ada_id: UUID,
    root: SignedIn,
    browser: httpx.AsyncClient,
    document: str | None,
    uris: tuple[str, ...],
    words: str,
) -> None:
    """Threat: a stranger's app has the name of one of ours, and nobody sees which is which."""
    await app.be_allowed(ada_id)
    before = text_of(await browser.get("/ui/account/apps"))
    await world.db.execute(
        "UPDATE clients SET registered_by = $2, document = $3, redirect_uris = $4 WHERE id = $1",
        app.id,
        "document" if document else "itself",
        document,
        list(uris),
    )
    async with signed_in(world, "root@example.com") as console:
        shown = text_of(await console.get(f"/console/users/{ada_id}"))

    assert "itself" not in before
    assert words in text_of(await browser.get("/ui/account/apps"))
    assert words in shown
