"""Line 46 of the abuse list: everything that a factor has opened ends with the factor."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.authenticator import Passkey
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import (
    Authenticator,
    add_totp,
    ask_for_factor,
    begin_totp,
    confirm_totp,
    show_factor,
)
from tests.fixtures.hostile import claims_of
from tests.fixtures.passkeys import (
    begin_adding,
    begin_sign_in,
    finish_adding,
    finish_sign_in,
    own_passkey,
)
from tests.fixtures.waiting import somebody_waits, until
from tests.fixtures.world import SignedIn, World

from keyfob.accounts import locks
from keyfob.authority.models import Role
from keyfob.settings import Settings


async def call(
    world: World, caller: SignedIn, method: str, path: str, body: Any = None
) -> httpx.Response:
    return await world.api.request(method, path, json=body, headers=caller.headers)


async def remove(world: World, caller: SignedIn, factor_id: str) -> httpx.Response:
    return await call(world, caller, "DELETE", f"/me/factors/{factor_id}")


async def refreshed(world: World, signed_in: SignedIn) -> SignedIn:
    return SignedIn.of(await world.refresh(signed_in.refresh))


async def acr_of(world: World, signed_in: SignedIn) -> str:
    """Refresh, and return the `acr` of the next token."""
    acr: str = claims_of((await refreshed(world, signed_in)).access)["acr"]
    return acr


async def with_code(world: World, app: Authenticator, clock: MovableClock) -> SignedIn:
    """Sign in with the password and a code."""
    clock.advance(30)
    return SignedIn.of(await show_factor(world, await ask_for_factor(world), code=app.code()))


async def test_46_a_reset_ends_the_thief_s_session(world: World, clock: MovableClock) -> None:
    """The thief had the factor, too; the owner asks for a reset, and begins anew."""
    user_id = await world.make_user()
    app = await add_totp(world, await world.log_in(), clock)
    thief = await with_code(world, app, clock)
    root = await world.make_admin()

    reset = await call(world, root, "POST", f"/admin/users/{user_id}/factors/reset")

    assert reset.status_code == 204
    owner = await world.log_in()
    new = await add_totp(world, owner, clock)
    assert (await remove(world, thief, new.id)).status_code == 401
    begun = await call(world, thief, "POST", "/me/factors/totp", {"name": "Mine"})
    assert begun.status_code == 401
    assert (await world.refresh(thief.refresh)).status_code == 401
    names = await world.db.fetch("SELECT name FROM factors")
    assert [row["name"] for row in names] == ["Phone"]


async def test_46_with_the_last_factor_mfa_leaves_every_session(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    plain, laptop = await world.log_in(), await world.log_in()
    app = await add_totp(world, laptop, clock)
    laptop = await refreshed(world, laptop)
    tablet = await with_code(world, app, clock)

    assert (await remove(world, laptop, app.id)).status_code == 204

    for session in (laptop, tablet):
        assert (await world.me(session)).status_code == 401
        assert await acr_of(world, session) == "aal1"
    assert (await world.me(plain)).status_code == 200  # it never told of a factor


async def test_46_with_the_recovery_codes_ends_what_one_of_them_has_opened(
    world: World, clock: MovableClock
) -> None:
    """The thief has the sheet and has used one; the owner makes new codes."""
    await world.make_user()
    laptop = await world.log_in()
    app = await add_totp(world, laptop, clock)
    laptop = await refreshed(world, laptop)
    thief = SignedIn.of(
        await show_factor(world, await ask_for_factor(world), recovery_code=app.recovery_codes[0])
    )

    renewed = await call(world, laptop, "POST", "/me/factors/recovery-codes")

    assert renewed.status_code == 200
    assert (await world.me(thief)).status_code == 401
    assert await acr_of(world, thief) == "aal1"
    assert await acr_of(world, laptop) == "aal2"
    assert (await world.me(laptop)).status_code == 200


async def test_46_a_factor_that_is_not_the_last_takes_what_other_sessions_proved(
    world: World, clock: MovableClock
) -> None:
    """It is not recorded by which factor, so other sessions present a remaining one."""
    await world.make_user()
    laptop = await world.log_in()
    lost = await add_totp(world, laptop, clock)
    thief = await with_code(world, lost, clock)
    laptop = await refreshed(world, laptop)
    kept = await add_totp(world, laptop, clock, "Tablet")
    laptop = await refreshed(world, laptop)

    assert (await remove(world, laptop, lost.id)).status_code == 204

    assert (await world.me(laptop)).status_code == 200
    assert await acr_of(world, laptop) == "aal2"
    assert (await world.me(thief)).status_code == 401
    thief = await refreshed(world, thief)
    assert claims_of(thief.access)["acr"] == "aal1"
    assert (await remove(world, thief, kept.id)).status_code == 401


@pytest.fixture
def strict(settings: Settings) -> Settings:
    return settings.model_copy(update={"require_mfa_for": ["admin"]})


async def test_46_who_added_and_removed_a_factor_and_is_promoted_administers_nothing(
    strict: Settings, clock: MovableClock
) -> None:
    async with World(strict, clock) as world:
        root = await world.make_admin()
        await add_totp(world, root, clock)
        root = await refreshed(world, root)
        user_id = await world.make_user()
        ada = await world.log_in()
        app = await add_totp(world, ada, clock)
        ada = await refreshed(world, ada)
        assert (await remove(world, ada, app.id)).status_code == 204
        await call(world, root, "PATCH", f"/admin/users/{user_id}", {"role": "admin"})
        ada = await refreshed(world, ada)

        answer = await call(world, ada, "GET", "/admin/users")

        assert answer.status_code == 403
        assert answer.json()["code"] == "factor_required"


async def test_46_a_reset_of_one_s_own_is_no_way_round_the_last_factor(
    strict: Settings, clock: MovableClock
) -> None:
    async with World(strict, clock) as world:
        root = await world.make_admin()
        await world.make_user("other@example.com", role=Role.ADMIN)
        app = await add_totp(world, root, clock)
        root = await refreshed(world, root)
        root_id = (await world.me(root)).json()["id"]

        answer = await call(world, root, "POST", f"/admin/users/{root_id}/factors/reset")

        assert answer.status_code == 409
        assert answer.json()["code"] == "last_factor"
        assert await world.db.fetchval("SELECT id::text FROM factors") == app.id
        assert await acr_of(world, root) == "aal2"


async def test_46_a_passkey_is_added_in_the_session_that_began(world: World) -> None:
    await world.make_user()
    one, other = await world.log_in(), await world.log_in()
    begun = await begin_adding(world, one)
    made = Passkey().make(begun["options"])

    answer = await finish_adding(world, other, begun, made)

    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_passkey"
    assert await world.db.fetchval("SELECT count(*) FROM factors") == 0


async def test_46_an_authenticator_is_confirmed_in_the_session_that_began(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    one, other = await world.log_in(), await world.log_in()
    app = await begin_totp(world, one, clock)

    answer = await confirm_totp(world, other, app)

    assert answer.status_code == 404
    assert answer.json()["code"] == "factor_not_found"
    assert (await confirm_totp(world, one, app)).status_code == 200


async def test_46_nobody_takes_the_place_of_what_another_session_began(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    owner, thief = await world.log_in(), await world.log_in()
    app = await begin_totp(world, owner, clock)
    await begin_totp(world, thief, clock)

    assert (await confirm_totp(world, owner, app)).status_code == 200


@asynccontextmanager
async def removed_meanwhile(world: World, user_id: UUID) -> AsyncIterator[None]:
    """Remove the account's factors while what begins in the block waits for the account."""
    async with world.db.begin() as tx:
        await locks.lock_with_admins(tx, user_id)
        yield
        await until(lambda: somebody_waits(world.db))
        await tx.execute("DELETE FROM factors WHERE user_id = $1", user_id)


async def by_passkey_alone(world: World, passkey: Passkey) -> Awaitable[httpx.Response]:
    begun = await begin_sign_in(world)
    return finish_sign_in(world, begun, passkey.answer(begun["options"]))


async def by_passkey_as_factor(world: World, passkey: Passkey) -> Awaitable[httpx.Response]:
    token = await ask_for_factor(world)
    options = await world.api.post("/login/mfa/options", json={"mfa_token": token})
    return show_factor(world, token, credential=passkey.answer(options.json()))


async def by_passkey_once_more(world: World, passkey: Passkey) -> Awaitable[httpx.Response]:
    ada = SignedIn.of(await (await by_passkey_alone(world, passkey)))
    begun = await begin_sign_in(world)
    shown = passkey.answer(begun["options"])
    body = {"challenge_id": begun["challenge_id"], "credential": shown}
    return call(world, ada, "POST", "/me/reauthenticate", body)


@pytest.mark.parametrize("way", [by_passkey_alone, by_passkey_as_factor, by_passkey_once_more])
async def test_46_a_passkey_that_is_removed_meanwhile_opens_nothing(
    world: World, way: Callable[[World, Passkey], Awaitable[Awaitable[httpx.Response]]]
) -> None:
    user_id = await world.make_user()
    passkey = await own_passkey(world, await world.log_in())
    prepared = await way(world, passkey)
    before = await world.db.fetchval("SELECT count(*) FROM sessions")

    async with removed_meanwhile(world, user_id):
        asking = asyncio.ensure_future(prepared)
    answer = await asking

    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_factor"
    assert await world.db.fetchval("SELECT count(*) FROM sessions") == before
