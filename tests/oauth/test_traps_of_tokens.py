"""Traps about codes and refresh tokens that other providers fell into (docs/abuse.md)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import httpx
import jwt
import pytest
from tests.fixtures.apps import CALLBACK, VERIFIER, App, make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.device_apps import DEVICE_CODE, make_device_app
from tests.fixtures.links import recover, recovery_token
from tests.fixtures.mailbox import Mailbox
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.settings import Settings

pytestmark = pytest.mark.usefixtures("ada")

OFFLINE = "openid offline_access"


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


def at(world: World, app: App) -> App:
    """Return the app as it calls another worker."""
    return App(world, app.id, app.secret)


async def block(world: World, user: UUID) -> None:
    admin = await world.make_admin()
    body = {"status": "blocked"}
    answer = await world.api.patch(f"/admin/users/{user}", json=body, headers=admin.headers)
    assert answer.status_code == 200, answer.text


def error_of(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    error: str = answer.json()["error"]
    return error


async def test_of_fifty_exchanges_at_once_on_two_workers_one_wins(
    world: World, other: World, app: App, browser: httpx.AsyncClient
) -> None:
    code = await app.code(browser)
    workers = [app, at(other, app)]

    answers = await asyncio.gather(*(workers[n % 2].exchange(code) for n in range(50)))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49
    assert (
        await world.db.fetchval("SELECT count(*) FROM sessions WHERE client_id = $1", app.id) == 1
    )
    assert {error_of(one) for one in answers if one.status_code != 200} == {"invalid_grant"}


async def test_fifty_refreshes_at_once_on_two_workers_get_one_successor(
    world: World, other: World, app: App, browser: httpx.AsyncClient
) -> None:
    token = (await app.tokens(browser))["refresh_token"]
    workers = [app, at(other, app)]

    answers = await asyncio.gather(*(workers[n % 2].refresh(token) for n in range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    access = [answer.json()["access_token"] for answer in answers]
    claims = [jwt.decode(one, options={"verify_signature": False}) for one in access]
    assert {one["gen"] for one in claims} == {1}


async def test_an_old_token_is_known_as_used_after_a_restart_of_every_worker(
    settings: Settings, clock: MovableClock, world: World, app: App, browser: httpx.AsyncClient
) -> None:
    async with World(settings, clock) as before:
        old = (await at(before, app).tokens(browser))["refresh_token"]
        new = (await at(before, app).refresh(old)).json()["refresh_token"]
    clock.advance(60)

    async with World(settings, clock) as after:
        again = await at(after, app).refresh(old)
        successor = await at(after, app).refresh(new)

    assert error_of(again) == error_of(successor) == "invalid_grant"


@pytest.mark.parametrize("public", [False, True], ids=["with a secret", "public"])
async def test_an_old_refresh_token_ends_the_grant_and_no_other(
    world: World, browser: httpx.AsyncClient, clock: MovableClock, *, public: bool
) -> None:
    app = await make_app(world, public=public)
    stolen, kept = [(await app.tokens(browser))["refresh_token"] for _ in range(2)]
    new = (await app.refresh(stolen)).json()["refresh_token"]
    clock.advance(60)

    assert error_of(await app.refresh(stolen)) == "invalid_grant"

    assert error_of(await app.refresh(new)) == "invalid_grant"
    assert (await app.refresh(kept)).status_code == 200


async def test_a_spent_code_is_no_weapon(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    """Threat: whoever has seen a spent code ends the grant of the app that it was for."""
    other, public = await make_app(world), await make_app(world, public=True)
    code = await app.code(browser)
    token = (await app.exchange(code)).json()["refresh_token"]

    replays = [
        await other.exchange(code),
        await public.exchange(code),
        await App(world, app.id, "kfs_wrong").exchange(code),
        await App(world, app.id, None).exchange(code),
        await app.exchange(code, code_verifier="w" * 43),
        await app.exchange(code, code_verifier=None),
        await app.exchange(code, redirect_uri="https://app.example.com/other"),
    ]

    assert {answer.status_code for answer in replays} <= {400, 401}
    refreshed = await app.refresh(token)
    assert refreshed.status_code == 200
    assert error_of(await app.exchange(code)) == "invalid_grant"
    assert error_of(await app.refresh(refreshed.json()["refresh_token"])) == "invalid_grant"


async def test_a_code_is_refused_for_each_reason_alone(
    world: World, app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    other = await make_app(world)
    fresh, late = await app.code(browser), await app.code(browser)

    assert error_of(await other.exchange(fresh)) == "invalid_grant"
    assert (await app.exchange(fresh)).status_code == 200
    clock.advance(61)
    assert error_of(await app.exchange(late)) == "invalid_grant"


async def test_a_block_ends_the_grant_of_an_app_that_works_alone(
    world: World, app: App, browser: httpx.AsyncClient, ada: UUID
) -> None:
    tokens, code = await app.tokens(browser, scope=OFFLINE), await app.code(browser, scope=OFFLINE)

    await block(world, ada)

    assert error_of(await app.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert error_of(await app.exchange(code)) == "invalid_grant"


async def test_a_recovery_ends_the_grant_of_an_app_that_works_alone(
    world: World, app: App, browser: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    tokens, code = await app.tokens(browser, scope=OFFLINE), await app.code(browser, scope=OFFLINE)

    assert (await recover(world, await recovery_token(world, mailbox))).status_code == 204

    assert error_of(await app.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert error_of(await app.exchange(code)) == "invalid_grant"


async def test_a_grant_ends_in_any_case_however_busy_it_is(
    settings: Settings, app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    tokens = await app.tokens(browser, scope=OFFLINE)
    begun = clock.timestamp()
    step = settings.session_idle_ttl - 1

    while clock.timestamp() + step < begun + settings.session_max_ttl:
        clock.advance(step)
        answer = await app.refresh(tokens["refresh_token"])
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
    clock.advance(begun + settings.session_max_ttl - clock.timestamp() + 1)

    assert error_of(await app.refresh(tokens["refresh_token"])) == "invalid_grant"


def changed_at_each_place(text: str) -> list[str]:
    """Return a text cut short, lengthened, and with any one character changed."""
    at = range(len(text))
    flipped = [f"{text[:n]}{'A' if text[n] != 'A' else 'B'}{text[n + 1 :]}" for n in at]
    return [*(text[:n] for n in at if n), *flipped, f"{text}A", f"{text}=", f" {text}", f"{text}\0"]


Use = Callable[[str], Awaitable[httpx.Response]]


async def assert_counts_whole_alone(text: str, use: Use) -> None:
    for mangled in changed_at_each_place(text):
        answer = await use(mangled)
        assert answer.status_code in {400, 401}, mangled
        assert "access_token" not in answer.text
        assert "location" not in answer.headers
    assert (await use(text)).status_code in {200, 303}


@pytest.mark.slow
async def test_a_code_of_an_app_counts_whole_alone(app: App, browser: httpx.AsyncClient) -> None:
    await assert_counts_whole_alone(await app.code(browser), app.exchange)


@pytest.mark.slow
@pytest.mark.parametrize("rotates", [True, False])
async def test_a_refresh_token_of_an_app_counts_whole_alone(
    world: World, browser: httpx.AsyncClient, *, rotates: bool
) -> None:
    app = await make_app(world, rotate_refresh=rotates)

    await assert_counts_whole_alone((await app.tokens(browser))["refresh_token"], app.refresh)


@pytest.mark.slow
async def test_a_pushed_request_counts_whole_alone(app: App, browser: httpx.AsyncClient) -> None:
    pushed = (await app.push()).json()["request_uri"]

    await assert_counts_whole_alone(pushed, lambda text: app.bring(browser, text))


@pytest.mark.slow
async def test_a_device_code_counts_whole_alone(world: World) -> None:
    device = await make_device_app(world)
    code = (await device.codes())["device_code"]

    async def poll(text: str) -> str:
        form = {"grant_type": DEVICE_CODE, "device_code": text}
        return error_of(await device.app.token(form))

    for mangled in changed_at_each_place(code):
        assert await poll(mangled) in {"invalid_grant", "invalid_request"}, mangled
    assert await poll(code) == "authorization_pending"


async def test_a_code_in_the_query_counts_for_nothing(app: App, browser: httpx.AsyncClient) -> None:
    code = await app.code(browser)
    auth = httpx.BasicAuth(str(app.id), app.secret or "")
    params = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}

    asked = {"params": params, "data": {"redirect_uri": CALLBACK}, "auth": auth}
    answer = await app.world.api.post("/oauth2/token", **asked)

    assert error_of(answer) == "invalid_request"
    assert (await app.exchange(code)).status_code == 200
