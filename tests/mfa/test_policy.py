"""Roles that require a second factor: a user without one can do nothing but add one."""

from typing import Any

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import (
    Authenticator,
    add_totp,
    ask_for_factor,
    begin_totp,
    confirm_totp,
    show_factor,
)
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.authority.models import Role
from keyfob.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"require_mfa_for": ["admin"]})


async def call(world: World, signed_in: SignedIn, method: str, path: str, body: Any = None) -> str:
    """Call, and return the code of the refusal, or the status of a success."""
    answer = await world.api.request(method, path, json=body, headers=signed_in.headers)
    return str(answer.status_code) if answer.is_success else str(answer.json()["code"])


async def test_it_adds_a_factor_and_goes_on(world: World, clock: MovableClock) -> None:
    root = await world.make_admin()
    assert await call(world, root, "GET", "/admin/users") == "factor_required"
    assert await call(world, root, "GET", "/me") == "factor_required"

    await add_totp(world, root, clock)
    assert await call(world, root, "GET", "/admin/users") == "factor_required"  # the old token
    root = SignedIn.of(await world.refresh(root.refresh))

    assert await call(world, root, "GET", "/admin/users") == "200"
    assert await call(world, root, "GET", "/me") == "200"


async def test_it_may_do_nothing_else(world: World) -> None:
    """Every secured call of the API, but those that add a factor, prove oneself or sign out."""
    root = await world.make_admin()
    user_id = str(await world.make_user())
    allowed = {
        ("GET", "/me/factors"),
        ("POST", "/me/factors/totp"),
        ("POST", "/me/factors/totp/{id}/confirm"),
        ("POST", "/me/factors/passkeys/options"),
        ("POST", "/me/factors/passkeys"),
        ("POST", "/me/reauthenticate"),
        ("DELETE", "/logout"),
        ("DELETE", "/logout-all"),
    }

    refused = {
        (method.upper(), path): await call(
            world, root, method.upper(), path.replace("{id}", user_id)
        )
        for path, methods in world.app.openapi()["paths"].items()
        for method, operation in methods.items()
        if operation.get("security") == [{"bearer": []}] and (method.upper(), path) not in allowed
    }

    assert len(refused) > 20
    # A body that is missing is told before who calls: FastAPI reads both.
    assert set(refused.values()) <= {"factor_required", "invalid_input"}
    assert [call for call, code in refused.items() if code == "invalid_input"] == []


async def test_another_role_is_asked_nothing(world: World) -> None:
    await world.make_user()

    assert await call(world, await world.log_in(), "GET", "/me") == "200"


async def test_a_role_that_comes_while_signed_in_restricts_at_the_next_token(
    world: World, clock: MovableClock
) -> None:
    root = await world.make_admin()
    await add_totp(world, root, clock)
    root = SignedIn.of(await world.refresh(root.refresh))
    user_id = await world.make_user()
    ada = await world.log_in()

    assert await call(world, root, "PATCH", f"/admin/users/{user_id}", {"role": "admin"}) == "200"
    assert await call(world, ada, "GET", "/me") == "invalid_token"
    ada = SignedIn.of(await world.refresh(ada.refresh))
    assert await call(world, ada, "GET", "/me") == "factor_required"
    assert await call(world, ada, "GET", "/admin/users") == "factor_required"

    await add_totp(world, ada, clock)
    ada = SignedIn.of(await world.refresh(ada.refresh))
    assert await call(world, ada, "GET", "/admin/users") == "200"


async def test_the_first_factor_needs_a_recent_sign_in_all_the_same(
    world: World, clock: MovableClock
) -> None:
    root = await world.make_admin()
    clock.advance(301)
    root = SignedIn.of(await world.refresh(root.refresh))
    begin = ("POST", "/me/factors/totp", {"name": "Phone"})

    assert await call(world, root, *begin) == "insufficient_user_authentication"
    answer = await world.api.post(
        "/me/reauthenticate", json={"password": PASSWORD}, headers=root.headers
    )
    assert await call(world, SignedIn.of(answer), *begin) == "201"


async def test_the_last_factor_stays(world: World, clock: MovableClock) -> None:
    root = await world.make_admin()
    first = await add_totp(world, root, clock)
    root = SignedIn.of(await world.refresh(root.refresh))

    assert await call(world, root, "DELETE", f"/me/factors/{first.id}") == "last_factor"
    second = await add_totp(world, root, clock, "Tablet")
    assert await call(world, root, "DELETE", f"/me/factors/{first.id}") == "204"
    assert await call(world, root, "DELETE", f"/me/factors/{second.id}") == "last_factor"
    factors = await world.api.get("/me/factors", headers=root.headers)
    assert factors.json()["recovery_codes_left"] == 10


async def test_a_session_from_before_the_policy_shows_its_factor(
    world: World, settings: Settings, clock: MovableClock
) -> None:
    """Its owner has a factor, which this session has not presented: it may not add another."""
    before = settings.model_copy(update={"require_mfa_for": []})
    async with World(before, clock) as old:
        laptop, phone = await old.make_admin(), await old.log_in("root@example.com")
        app = await add_totp(old, phone, clock)
    clock.advance(30)

    assert await call(world, laptop, "GET", "/admin/users") == "factor_required"
    begin = ("POST", "/me/factors/totp", {"name": "Mine"})
    assert await call(world, laptop, *begin) == "insufficient_user_authentication"
    answer = await world.api.post(
        "/me/reauthenticate", json={"code": app.code()}, headers=laptop.headers
    )
    assert await call(world, SignedIn.of(answer), "GET", "/admin/users") == "200"


async def test_after_a_reset_the_next_sign_in_adds_one(world: World, clock: MovableClock) -> None:
    root = await world.make_admin()
    await add_totp(world, root, clock)
    root = SignedIn.of(await world.refresh(root.refresh))
    other = await world.make_user("ada@example.com", role=Role.ADMIN)
    ada = await world.log_in()
    lost: Authenticator = await add_totp(world, ada, clock)
    clock.advance(30)
    token = await ask_for_factor(world)

    assert await call(world, root, "POST", f"/admin/users/{other}/factors/reset") == "204"

    assert (await show_factor(world, token, code=lost.code())).status_code == 401
    ada = await world.log_in()
    assert await call(world, ada, "GET", "/me") == "factor_required"
    app = await begin_totp(world, ada, clock)
    assert len((await confirm_totp(world, ada, app)).json()["recovery_codes"]) == 10
