"""What apps have signed-in users do is counted by address as well, and leaves few rows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import pytest
from tests.fixtures.apps import App, allowed, answer_of, make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.settings import Settings

HERE, THERE = "203.0.113.7", "198.51.100.9"


@pytest.fixture
async def strict(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """A service at which the sign-ins of all users of one address are few."""
    few = {"limits": "on", "limit_authorize_address": "6/minute", "limit_logout": "3/minute"}
    async with World(settings.model_copy(update=few), clock) as world:
        yield world


async def browsers_of(
    stack: AsyncExitStack, world: World, address: str, *names: str
) -> list[httpx.AsyncClient]:
    found = []
    for name in names:
        await world.make_user(f"{name}@example.com")
        browser = await stack.enter_async_context(signed_in(world, f"{name}@example.com"))
        elsewhere = world.client(address, **{"Sec-Fetch-Site": "same-origin"})
        elsewhere.cookies = browser.cookies
        found.append(elsewhere)
    return found


async def test_an_address_with_many_accounts_asks_for_no_more_sign_ins(strict: World) -> None:
    app = await make_app(strict)
    async with AsyncExitStack() as stack:
        here = await browsers_of(stack, strict, HERE, "ada", "bob", "eve")
        [elsewhere] = await browsers_of(stack, strict, THERE, "zoe")
        told = [(await app.send(one)).status_code for one in here for _ in range(3)]
        there = await app.send(elsewhere)
        nobody = await app.send(strict.client(HERE))

    assert told == [303] * 6 + [429] * 3
    assert (there.status_code, nobody.status_code) == (303, 303)
    assert await strict.db.fetchval("SELECT count(*) FROM authorization_requests") == 8


async def test_nor_for_more_sign_outs_than_it_may_ask_about(strict: World) -> None:
    async with AsyncExitStack() as stack:
        here = await browsers_of(stack, strict, HERE, "ada", "bob")
        asked = [(await one.get("/oauth2/logout")).status_code for one in here for _ in range(2)]
        done = await here[1].post("/ui/sign-out")

    assert asked == [303, 303, 303, 429]
    assert done.status_code == 303


async def signed_in_again(app: App, browser: httpx.AsyncClient) -> str:
    code = answer_of(await allowed(browser, await app.send(browser)))["code"]
    token: str = (await app.exchange(code)).json()["refresh_token"]
    return token


async def test_what_an_app_has_beyond_twenty_leaves_no_row(
    world: World, clock: MovableClock
) -> None:
    app = await make_app(world)
    await world.make_user()
    async with signed_in(world) as browser:
        tokens = []
        for _ in range(23):
            tokens.append(await signed_in_again(app, browser))
            clock.advance(seconds=1)
    kept = await world.db.fetchval("SELECT count(*) FROM sessions WHERE client_id IS NOT NULL")
    told = [(await app.refresh(one)).status_code for one in (tokens[2], tokens[3], tokens[-1])]

    assert kept == 20
    assert told == [400, 200, 200]
    revoked = await world.db.fetchval("SELECT count(*) FROM revocations WHERE kind = 'session'")
    assert revoked == 3


async def test_nor_does_what_apps_have_given_back(world: World, clock: MovableClock) -> None:
    """Threat: an app asks for a grant and gives it back, again and again."""
    app = await make_app(world)
    ada, bob = await world.make_user(), await world.make_user("bob@example.com")
    async with signed_in(world) as browser:
        await signed_in_again(app, browser)
    for user_id in (ada, bob):
        await world.db.execute(
            """
            INSERT INTO sessions (id, user_id, role, secret_hash, rotated_at, last_activity_at,
                    expires_at, amr, auth_time, login_at, device_type, kind, client_id, scope,
                    audience, ended_at, end_reason)
            SELECT gen_random_uuid(), $2, role, secret_hash, rotated_at, last_activity_at,
                   expires_at, amr, auth_time, login_at, device_type, kind, gen_random_uuid(),
                   scope, audience, rotated_at, 'ended_by_client'
              FROM sessions, generate_series(1, 150) WHERE client_id = $1
            """,
            app.id,
            user_id,
        )
    async with signed_in(world) as browser:
        await signed_in_again(app, browser)

    rows = await world.db.fetch(
        """
        SELECT user_id, ended_at IS NULL AS is_live, count(*) FROM sessions
         WHERE client_id IS NOT NULL GROUP BY 1, 2
        """
    )
    assert {(row[0], row[1]): row[2] for row in rows} == {
        (ada, True): 2,
        (ada, False): 100,
        (bob, False): 150,
    }


async def test_many_at_once_are_all_given_and_the_next_leaves_twenty(world: World) -> None:
    app = await make_app(world)
    await world.make_user()
    async with signed_in(world) as browser:
        codes = [await app.code(browser) for _ in range(25)]
        answers = await asyncio.gather(*[app.exchange(code) for code in codes])
        await signed_in_again(app, browser)

    assert {answer.status_code for answer in answers} == {200}
    assert await world.db.fetchval("SELECT count(*) FROM sessions WHERE kind = 'app'") == 20
