"""Apps hear of the end of a session (OpenID Connect Back-Channel Logout 1.0)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import jwt
import pytest
from tests.fixtures.apps import App, make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import Program, own_api
from tests.fixtures.receivers import Receiver, receiving
from tests.fixtures.waiting import until
from tests.fixtures.world import PASSWORD, World
from tests.web.account_pages import signed_in

from keyfob.accounts import locks
from keyfob.clients.models import IdTokenAlgorithm
from keyfob.oauth.logout_notices import LogoutNotices
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions
from keyfob.settings import Settings

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"outbound_allow": ["localhost"], "max_sessions": 3})


@pytest.fixture
async def ada(world: World) -> UUID:
    return await world.make_user(name="Ada")


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def app(world: World, receiver: Receiver) -> App:
    return await make_app(world, backchannel_logout_uri=receiver.url)


async def sid_of(app: App, browser: httpx.AsyncClient, **changes: str) -> str:
    """Sign in to the app, and return the `sid` of its ID token."""
    token = (await app.tokens(browser, **changes))["id_token"]
    sid: str = jwt.decode(token, options={"verify_signature": False})["sid"]
    return sid


async def sign_out(browser: httpx.AsyncClient) -> None:
    assert (await browser.post("/ui/sign-out")).status_code == 303


async def left(world: World) -> int:
    """Return the number of notices that have not been heard."""
    found: int = await world.db.fetchval("SELECT count(*) FROM outbox WHERE kind LIKE 'logout%'")
    return found


async def test_it_is_in_the_metadata(world: World) -> None:
    told = (await world.api.get("/.well-known/openid-configuration")).json()

    assert told["backchannel_logout_supported"] is True
    assert told["backchannel_logout_session_supported"] is True


@pytest.mark.parametrize("algorithm", IdTokenAlgorithm)
async def test_an_app_hears_of_a_sign_out_by_a_signed_token(
    world: World, ada: UUID, browser: httpx.AsyncClient, receiver: Receiver, algorithm: str
) -> None:
    app = await make_app(
        world,
        backchannel_logout_uri=receiver.url,
        id_token_alg=IdTokenAlgorithm(algorithm),
    )
    sid = await sid_of(app, browser, nonce="n-1")

    await sign_out(browser)

    [claims] = await receiver.heard()
    [token] = receiver.tokens
    keys = jwt.PyJWKSet.from_dict((await world.api.get("/.well-known/jwks.json")).json())
    header = jwt.get_unverified_header(token)
    assert (header["typ"], header["alg"]) == ("logout+jwt", algorithm)
    told = {"algorithms": [algorithm], "audience": str(app.id), "issuer": own_api(world)}
    jwt.decode(token, keys[header["kid"]].key, options={"verify_exp": False}, **told)
    assert claims.keys() == {"iss", "aud", "iat", "exp", "jti", "sub", "sid", "events"}
    assert (claims["sub"], claims["sid"], claims["events"]) == (str(ada), sid, {EVENT: {}})
    assert claims["exp"] - claims["iat"] == 120
    assert "Content-Type: application/x-www-form-urlencoded" in receiver.heads[0]
    await until(lambda: _none_left(world))


async def _none_left(world: World) -> bool:
    return await left(world) == 0


async def by_api_everywhere(world: World, browser: httpx.AsyncClient) -> None:
    own = await world.log_in()
    answer = await world.api.delete("/logout-all", headers=own.headers)
    assert answer.status_code == 204, answer.text


async def by_one_of_the_list(world: World, browser: httpx.AsyncClient) -> None:
    own = await world.log_in()
    listed = (await world.api.get("/me/sessions", headers=own.headers)).json()
    [there] = [one["id"] for one in listed if one["kind"] == "browser"]
    gone = await world.api.delete(f"/me/sessions/{there}", headers=own.headers)
    assert gone.status_code == 204


async def by_a_block(world: World, browser: httpx.AsyncClient) -> None:
    root = await world.make_admin()
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email = 'ada@example.com'")
    change = {"status": "blocked"}
    answer = await world.api.patch(f"/admin/users/{user_id}", json=change, headers=root.headers)
    assert answer.status_code == 200, answer.text


async def by_an_administrator(world: World, browser: httpx.AsyncClient) -> None:
    root = await world.make_admin()
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email = 'ada@example.com'")
    path = f"/admin/users/{user_id}/logout-all"
    assert (await world.api.delete(path, headers=root.headers)).status_code == 204


async def by_an_erasure(world: World, browser: httpx.AsyncClient) -> None:
    root = await world.make_admin()
    user_id = await world.db.fetchval("SELECT id FROM users WHERE email = 'ada@example.com'")
    answer = await world.api.delete(f"/admin/users/{user_id}", headers=root.headers)
    assert answer.is_success, answer.text


async def by_a_new_password(world: World, browser: httpx.AsyncClient) -> None:
    own = await world.log_in()
    change = {"current_password": PASSWORD, "password": "another horse, correct too"}
    answer = await world.api.post("/me/password", json=change, headers=own.headers)
    assert answer.is_success, answer.text


async def by_too_many_others(world: World, browser: httpx.AsyncClient) -> None:
    for _ in range(3):
        await world.log_in()


async def by_its_own_end(world: World, browser: httpx.AsyncClient) -> None:
    world.service(Sessions).clock.advance(90 * 86_400 + 1)  # type: ignore[attr-defined] # movable
    await world.service(LogoutNotices).end_expired()


@pytest.mark.parametrize(
    "end",
    [
        by_api_everywhere,
        by_one_of_the_list,
        by_a_block,
        by_an_administrator,
        by_an_erasure,
        by_a_new_password,
        by_too_many_others,
        by_its_own_end,
    ],
)
async def test_an_app_hears_whatever_ends_the_session(
    world: World,
    app: App,
    browser: httpx.AsyncClient,
    receiver: Receiver,
    clock: MovableClock,
    end: Callable[[World, httpx.AsyncClient], Awaitable[None]],
) -> None:
    sid = await sid_of(app, browser)
    clock.advance(1)

    await end(world, browser)

    assert [claims["sid"] for claims in await receiver.heard()] == [sid]
    await until(lambda: _none_left(world))
    assert await world.db.fetchval("SELECT count(*) FROM app_sign_ins") == 0


async def test_only_the_session_that_ends_is_told_of_and_each_once(
    world: World, app: App, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    first = await sid_of(app, browser)
    await app.tokens(browser)
    async with signed_in(world) as elsewhere:
        second = await sid_of(app, elsewhere)

        await sign_out(browser)

        assert [claims["sid"] for claims in await receiver.heard()] == [first]
        await sign_out(elsewhere)
    assert [claims["sid"] for claims in await receiver.heard(2)] == [first, second]


async def test_apps_that_got_no_id_token_or_want_to_hear_nothing_do_not(
    world: World, app: App, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    silent = await make_app(world, name="Silent")
    await silent.tokens(browser)
    await app.code(browser)  # which it has not exchanged

    await sign_out(browser)

    await until(lambda: _none_left(world))
    assert receiver.tokens == []


async def test_an_app_that_is_disabled_hears_once_it_is_enabled(
    world: World, app: App, browser: httpx.AsyncClient, receiver: Receiver, clock: MovableClock
) -> None:
    """Threat: its users stay signed in there, whatever happened to them meanwhile."""
    await app.tokens(browser)
    program = Program(world, app.id, app.secret or "")
    await program.change(revokes=True, disabled_at=clock.now())
    await sign_out(browser)
    due = await _postponed(world, 1)
    assert receiver.tokens == []
    await program.change(revokes=False, disabled_at=None)
    clock.advance((due - clock.now()).total_seconds())
    world.wiring.runner.wake()

    assert len(await receiver.heard()) == 1


async def test_an_app_hears_also_after_its_grant_was_given_up(
    app: App, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    tokens = await app.tokens(browser)
    auth = httpx.BasicAuth(str(app.id), app.secret or "")
    given_up = {"token": tokens["refresh_token"]}
    await app.world.api.post("/oauth2/revoke", data=given_up, auth=auth)
    await sign_out(browser)

    assert len(await receiver.heard()) == 1


async def test_it_is_told_until_it_hears_after_growing_pauses_by_the_same_jti(
    world: World, app: App, browser: httpx.AsyncClient, receiver: Receiver, clock: MovableClock
) -> None:
    receiver.statuses = ["500 Internal Server Error", "503 Service Unavailable"]
    await app.tokens(browser)
    await sign_out(browser)
    await receiver.heard()

    gaps = []
    for times, status in ((2, "500"), (3, "503")):  # while it is tried, it has the error before
        due = await _postponed(world, times - 1, status)
        gaps.append(due - clock.now())
        clock.advance((due - clock.now()).total_seconds())
        world.wiring.runner.wake()
        await receiver.heard(times)

    assert gaps == [timedelta(seconds=5), timedelta(seconds=30)]
    first, second, third = receiver.claims
    assert first["jti"] == second["jti"] == third["jti"]
    assert third["exp"] > second["exp"] > first["exp"]
    await until(lambda: _none_left(world))


async def _postponed(world: World, attempts: int, status: str = "") -> datetime:
    found = "SELECT due_at FROM outbox WHERE attempts = $1 AND last_error LIKE $2"

    async def is_postponed() -> bool:
        return await world.db.fetchval(found, attempts, f"%{status}%") is not None

    await until(is_postponed)
    due_at: datetime = await world.db.fetchval(found, attempts, f"%{status}%")
    return due_at


async def test_a_notice_is_dropped_after_a_day(
    world: World, app: App, browser: httpx.AsyncClient, receiver: Receiver, clock: MovableClock
) -> None:
    receiver.statuses = ["500 Internal Server Error"] * 3
    await app.tokens(browser)
    await sign_out(browser)
    await _postponed(world, 1)

    clock.advance(86_401)
    world.wiring.runner.wake()

    await until(lambda: _none_left(world))
    assert len(receiver.tokens) == 1


async def test_a_dead_app_delays_neither_the_sign_out_nor_other_apps(
    world: World, app: App, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    async with receiving() as dead:
        dead.hold = asyncio.Event()
        gone = [
            await make_app(world, name=f"Gone {number}", backchannel_logout_uri=dead.url)
            for number in range(3)
        ]
        for one in (*gone, app):
            await one.tokens(browser)

        await sign_out(browser)

        assert len(await receiver.heard()) == 1
        await dead.heard(3)
        assert await left(world) >= 3
        dead.hold.set()
        await until(lambda: _none_left(world))


async def test_no_app_leads_to_a_private_address(
    world: World, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    near = receiver.url.replace("localhost", "127.0.0.1")
    app = await make_app(world, backchannel_logout_uri=near)
    await app.tokens(browser)

    await sign_out(browser)

    await _postponed(world, 1)
    assert receiver.tokens == []
    assert await world.db.fetchval("SELECT last_error FROM outbox") == "the app does not answer"


async def test_an_app_that_gets_its_tokens_at_the_same_moment_hears_of_it(
    world: World, app: App, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    apps = [
        await make_app(world, name=f"App {number}", backchannel_logout_uri=receiver.url)
        for number in range(6)
    ]
    codes = [await one.code(browser) for one in apps]
    exchanges = [one.exchange(code) for one, code in zip(apps, codes, strict=True)]

    *given, _ = await asyncio.gather(*exchanges, sign_out(browser))

    in_time = {str(one.id) for one, got in zip(apps, given, strict=True) if got.status_code == 200}
    assert {claims["aud"] for claims in await receiver.heard(len(in_time))} == in_time
    await until(lambda: _none_left(world))
    assert len(receiver.tokens) == len(in_time)
    assert await world.db.fetchval("SELECT count(*) FROM app_sign_ins") == 0


async def test_an_end_that_is_taken_back_tells_nobody(
    world: World, ada: UUID, app: App, browser: httpx.AsyncClient, receiver: Receiver
) -> None:
    await app.tokens(browser)

    async def change_ones_mind() -> None:
        async with world.db.begin() as tx:
            await locks.lock(tx, ada)
            await world.service(Sessions).end_all(tx, ada, EndReason.ADMIN)
            raise LookupError

    with pytest.raises(LookupError):
        await change_ones_mind()

    assert await left(world) == 0
    await sign_out(browser)
    assert len(await receiver.heard()) == 1


async def test_grants_end_with_a_session_that_ends_for_too_many_others(
    world: World, app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    tokens = await app.tokens(browser)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    clock.advance(1)

    await by_too_many_others(world, browser)

    assert (await world.api.get("/oauth2/userinfo", headers=bearer)).status_code == 401
    assert (await app.refresh(tokens["refresh_token"])).status_code == 400


async def test_whoever_registers_gives_no_private_address_unless_it_is_listed(
    world: World, receiver: Receiver
) -> None:
    admin = await world.make_admin()
    asked = {"name": "Ledger", "kind": "web", "redirect_uris": ["https://app.example.com/"]}

    async def register(uri: str) -> int:
        body = {**asked, "backchannel_logout_uri": uri}
        answer = await world.api.post("/admin/clients", json=body, headers=admin.headers)
        return answer.status_code

    assert await register(receiver.url) == 201
    assert await register(receiver.url.replace("localhost", "127.0.0.1")) == 422
    assert await register("https://10.1.2.3/") == 422
