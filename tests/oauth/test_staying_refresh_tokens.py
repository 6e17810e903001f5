"""Refresh tokens that stay (`rotate_refresh: false`): FAPI 2.0 section 5.3.2.1 asks for them."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from tests.fixtures.apps import CALLBACK, App, make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import Program
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.sessions.refresh_tokens import PREFIX_OF_APPS

pytestmark = pytest.mark.usefixtures("ada")


@pytest.fixture
async def ada(world: World) -> UUID:
    """The user, whose address is verified."""
    return await world.make_user(name="Ada")


@pytest.fixture
async def app(world: World) -> App:
    return await make_app(world, rotate_refresh=False)


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


def generation_of(tokens: dict[str, Any]) -> int:
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    return int(claims["gen"])


async def test_a_token_that_stays_is_good_for_many_refreshes(
    app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    first = await app.tokens(browser)

    for generation in range(1, 5):
        clock.advance(120)
        answer = await app.refresh(first["refresh_token"])
        assert answer.status_code == 200
        assert answer.json()["refresh_token"] == first["refresh_token"]
        # What is revoked up to a generation stays revoked: each access token has a new one.
        assert generation_of(answer.json()) == generation
    at_once = await asyncio.gather(*(app.refresh(first["refresh_token"]) for _ in range(10)))

    assert {answer.status_code for answer in at_once} == {200}
    assert len({generation_of(answer.json()) for answer in at_once}) == 10


async def test_it_ends_with_its_grant(
    world: World, app: App, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    given_up, kept, idle = [await app.tokens(browser) for _ in range(3)]

    await world.api.post(
        "/oauth2/revoke",
        data={"token": given_up["refresh_token"]},
        auth=httpx.BasicAuth(str(app.id), app.secret or ""),
    )
    gone = await app.refresh(given_up["refresh_token"])
    still = await app.refresh(kept["refresh_token"])
    await world.db.execute(
        "UPDATE sessions SET last_activity_at = last_activity_at - interval '1 year'"
    )
    expired = await app.refresh(idle["refresh_token"])

    assert gone.json()["error"] == expired.json()["error"] == "invalid_grant"
    assert still.status_code == 200


async def test_it_is_its_clients_alone_and_no_bit_of_it_may_change(
    world: World, app: App, browser: httpx.AsyncClient
) -> None:
    other = await make_app(world, rotate_refresh=False)
    token = (await app.tokens(browser))["refresh_token"]
    raw = bytearray(base64.urlsafe_b64decode(token.removeprefix(PREFIX_OF_APPS)))

    assert (await other.refresh(token)).json()["error"] == "invalid_grant"
    for place in (0, 1, 4, 23, 24, 40, 71):
        changed = bytearray(raw)
        changed[place] ^= 3
        text = PREFIX_OF_APPS + base64.urlsafe_b64encode(bytes(changed)).decode()
        assert (await app.refresh(text)).json()["error"] == "invalid_grant", place
    own = await world.api.post("/refresh", json={"refresh_token": token})
    assert own.status_code in {401, 422}
    assert (await app.refresh(token)).status_code == 200


async def test_nobody_makes_a_token_that_stays_of_one_that_rotates(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make_app(world)
    token = (await app.tokens(browser))["refresh_token"]
    raw = bytearray(base64.urlsafe_b64decode(token.removeprefix(PREFIX_OF_APPS)))
    raw[0] = 2

    forged = PREFIX_OF_APPS + base64.urlsafe_b64encode(bytes(raw)).decode()

    assert (await app.refresh(forged)).json()["error"] == "invalid_grant"
    assert (await app.refresh(token)).status_code == 200


async def test_none_stays_for_an_app_without_a_secret(world: World) -> None:
    """Threat: nothing would tell of a stolen one (RFC 9700 section 4.14.2)."""
    root = await world.make_admin()
    asked = {"name": "Notes", "kind": "browser", "redirect_uris": [CALLBACK]}

    def register(**more: Any) -> Awaitable[httpx.Response]:
        return world.api.post("/admin/clients", json=asked | more, headers=root.headers)

    refused = await register(rotate_refresh=False)
    made = (await register()).json()
    changed = await world.api.patch(
        f"/admin/clients/{made['id']}", json={"rotate_refresh": False}, headers=root.headers
    )

    for answer in (refused, changed):
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == "/body/rotate_refresh"


async def test_a_client_may_be_changed_to_it_and_back(
    world: World, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    app = await make_app(world)
    program = Program(world, app.id, app.secret or "")
    rotating = (await app.tokens(browser))["refresh_token"]

    await program.change(revokes=False, rotate_refresh=False)
    staying = (await app.refresh(rotating)).json()["refresh_token"]
    again = (await app.refresh(staying)).json()["refresh_token"]
    await program.change(revokes=False, rotate_refresh=True)
    refused = await app.refresh(staying)

    assert staying == again != rotating
    assert refused.json()["error"] == "invalid_grant"


async def test_a_token_that_rotated_before_is_still_not_used_twice(
    world: World, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    app = await make_app(world)
    rotating = (await app.tokens(browser))["refresh_token"]
    await Program(world, app.id, app.secret or "").change(revokes=False, rotate_refresh=False)
    staying = (await app.refresh(rotating)).json()["refresh_token"]

    clock.advance(60)
    stolen = await app.refresh(rotating)

    assert stolen.json()["error"] == "invalid_grant"
    assert (await app.refresh(staying)).json()["error"] == "invalid_grant"
