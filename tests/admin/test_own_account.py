"""What an administrator changes of the own account is held to what `/me` asks for it."""

from typing import Any
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.world import SignedIn, World

from keyfob.core.authority import Role
from keyfob.settings import Settings

ASKED: list[tuple[str, dict[str, Any] | None]] = [
    ("PATCH", {"email": "eve@example.com"}),
    ("PUT", {"email": "eve@example.com", "name": "Root"}),
    ("PATCH", {"email": "Root@example.com"}),
    ("DELETE", None),
]


async def own_id(world: World, signed_in: SignedIn) -> str:
    user_id: str = (await world.me(signed_in)).json()["id"]
    return user_id


async def change(
    world: World, admin: SignedIn, method: str, user_id: UUID | str, body: dict[str, Any] | None
) -> tuple[int, str | None]:
    answer = await world.api.request(
        method, f"/admin/users/{user_id}", json=body, headers=admin.headers
    )
    return answer.status_code, None if answer.is_success else answer.json()["code"]


async def grown_old(
    world: World, admin: SignedIn, clock: MovableClock, settings: Settings
) -> SignedIn:
    """Let the sign-in grow old; the token is fresh, for a refresh proves nothing."""
    clock.advance(settings.recent_sign_in + 1)
    return SignedIn.of(await world.refresh(admin.refresh))


@pytest.mark.parametrize(("method", "body"), ASKED)
async def test_address_and_removal_need_a_recent_sign_in(
    world: World,
    admin: SignedIn,
    clock: MovableClock,
    settings: Settings,
    method: str,
    body: dict[str, Any] | None,
) -> None:
    await world.make_user("other@example.com", role=Role.ADMIN)
    user_id = await own_id(world, admin)
    admin = await grown_old(world, admin, clock, settings)
    before = await world.db.fetch("SELECT * FROM users ORDER BY id")

    refused = await change(world, admin, method, user_id, body)

    assert refused == (401, "insufficient_user_authentication")
    assert await world.db.fetch("SELECT * FROM users ORDER BY id") == before
    again = await world.log_in("root@example.com")
    assert (await change(world, again, method, user_id, body))[0] in {200, 204}


@pytest.mark.parametrize(("method", "body"), ASKED)
async def test_a_session_that_did_not_show_the_factor_is_not_enough(
    world: World, admin: SignedIn, clock: MovableClock, method: str, body: dict[str, Any] | None
) -> None:
    await world.make_user("other@example.com", role=Role.ADMIN)
    user_id = await own_id(world, admin)
    owner = await world.log_in("root@example.com")
    await add_totp(world, owner, clock)
    with_factor = SignedIn.of(await world.refresh(owner.refresh))

    refused = await change(world, admin, method, user_id, body)

    assert refused == (401, "insufficient_user_authentication")
    assert (await change(world, with_factor, method, user_id, body))[0] in {200, 204}


@pytest.mark.parametrize("body", [{}, {"name": "Root"}, {"role": "user"}, {"status": "blocked"}])
async def test_what_is_no_way_into_an_account_needs_none(
    world: World,
    admin: SignedIn,
    clock: MovableClock,
    settings: Settings,
    body: dict[str, Any],
) -> None:
    await world.make_user("other@example.com", role=Role.ADMIN)
    user_id = await own_id(world, admin)
    admin = await grown_old(world, admin, clock, settings)

    assert await change(world, admin, "PATCH", user_id, body) == (200, None)


@pytest.mark.parametrize(("method", "body"), ASKED)
async def test_others_are_administered_with_any_sign_in(
    world: World,
    admin: SignedIn,
    clock: MovableClock,
    settings: Settings,
    method: str,
    body: dict[str, Any] | None,
) -> None:
    ada = await world.make_user()
    admin = await grown_old(world, admin, clock, settings)
    if body is not None:
        body = {**body, "email": "countess@example.com"}

    assert (await change(world, admin, method, ada, body))[0] in {200, 204}
