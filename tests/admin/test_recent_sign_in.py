"""Administrators need a sign-in with their factor, and a recent one for accounts above `user`."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.factors import add_totp
from tests.fixtures.programs import give_role
from tests.fixtures.world import OUR_API, PASSWORD, SignedIn, World

from keyfob.authority.models import Role
from keyfob.settings import Settings

Call = tuple[str, str, dict[str, Any] | None]

NEW = {"email": "new@example.com"}
CHALLENGE = 'Bearer error="insufficient_user_authentication", max_age="300"'

# About a moderator, or making one.
ASKED: list[Call] = [
    ("POST", "/admin/users", {**NEW, "role": "moderator"}),
    ("POST", "/admin/users", {**NEW, "role": "admin", "password": PASSWORD}),
    ("PATCH", "/admin/users/{user}", {"role": "moderator"}),
    ("PUT", "/admin/users/{user}", {"role": "admin", "name": "Ada"}),
    ("PATCH", "/admin/users/{moderator}", {"role": "user"}),
    ("PATCH", "/admin/users/{moderator}", {"role": "admin"}),
    ("PATCH", "/admin/users/{moderator}", {"status": "blocked"}),
    ("PATCH", "/admin/users/{moderator}", NEW),
    ("PUT", "/admin/users/{moderator}", {"email": "Mod@example.com"}),
    ("DELETE", "/admin/users/{moderator}", None),
    ("POST", "/admin/users/{moderator}/invite", None),
    ("POST", "/admin/users/{moderator}/recover", None),
    ("POST", "/admin/users/{moderator}/factors/reset", None),
    ("POST", "/admin/users/{user}/factors/reset", None),
    ("DELETE", "/admin/users/{moderator}/logout-all", None),
    ("DELETE", "/admin/users/{other}/logout-all", None),
]
# About who has a further role, whatever it permits here: other services read its name.
HOLDERS = {"holder": ["logins:read"], "reader": ["account:read"], "named": []}
OF_HOLDERS = [
    (method, path.replace("{moderator}", f"{{{holder}}}"), body)
    for holder in HOLDERS
    for method, path, body in ASKED
    if "{moderator}" in path and body not in ({"role": "user"}, {"email": "Mod@example.com"})
]
# One's own account is above `user`.
OF_ONE_S_OWN: list[Call] = [
    ("PATCH", "/admin/users/{own}", {"email": "eve@example.com"}),
    ("PUT", "/admin/users/{own}", {"email": "Root@example.com", "name": "Root"}),
    ("PATCH", "/admin/users/{own}", {"role": "user"}),
    ("PATCH", "/admin/users/{own}", {"status": "blocked"}),
    ("DELETE", "/admin/users/{own}", None),
]
NOT_ASKED: list[Call] = [
    ("POST", "/admin/users", NEW),
    ("POST", "/admin/users", {**NEW, "password": PASSWORD, "role": "user"}),
    ("PATCH", "/admin/users/{user}", {"status": "blocked", "name": "Ada"}),
    ("PUT", "/admin/users/{user}", NEW),
    ("PATCH", "/admin/users/{user}", {"role": "user"}),
    ("DELETE", "/admin/users/{user}", None),
    ("POST", "/admin/users/{user}/invite", None),
    ("POST", "/admin/users/{user}/recover", None),
    ("DELETE", "/admin/users/{user}/logout-all", None),
    ("DELETE", "/admin/users/{own}/logout-all", None),  # it ends the session that asks, too
    ("PATCH", "/admin/users/{moderator}", {"name": "Moderator"}),
    ("PATCH", "/admin/users/{moderator}", {}),
    # What is there already.
    ("PUT", "/admin/users/{moderator}", {"role": "moderator", "status": "active"}),
    ("PATCH", "/admin/users/{moderator}", {"email": "mod@example.com"}),
    ("PATCH", "/admin/users/{own}", {"name": "Root"}),
]


@pytest.fixture
async def people(world: World, admin: SignedIn) -> dict[str, UUID]:
    """The calling administrator, another one, a moderator and a user."""
    return {
        "own": UUID((await world.me(admin)).json()["id"]),
        "other": await world.make_user("other@example.com", role=Role.ADMIN),
        "moderator": await world.make_user("mod@example.com", role=Role.MODERATOR),
        "user": await world.make_user(),
        **{name: await _make_holder(world, name, held) for name, held in HOLDERS.items()},
    }


async def _make_holder(world: World, name: str, permissions: list[str]) -> UUID:
    await world.make_user(f"{name}@example.com")
    holder = await world.log_in(f"{name}@example.com")
    return await give_role(world, holder, *permissions, name=name)


async def send(
    world: World, admin: SignedIn, call: Call, people: dict[str, UUID]
) -> httpx.Response:
    method, path, body = call
    return await world.api.request(method, path.format(**people), json=body, headers=admin.headers)


async def grown_old(
    world: World, admin: SignedIn, clock: MovableClock, settings: Settings
) -> SignedIn:
    """Let the sign-in grow old; the token is fresh, for a refresh proves nothing."""
    clock.advance(settings.recent_sign_in + 1)
    return SignedIn.of(await world.refresh(admin.refresh))


async def everything(world: World) -> list[Any]:
    return [
        await world.db.fetch(f"SELECT * FROM {table} ORDER BY 1")
        for table in ("users", "sessions", "one_time_tokens", "factors", "audit_events")
    ]


@pytest.mark.parametrize("call", ASKED + OF_HOLDERS + OF_ONE_S_OWN)
async def test_an_old_sign_in_is_not_enough(
    world: World,
    admin: SignedIn,
    people: dict[str, UUID],
    clock: MovableClock,
    settings: Settings,
    call: Call,
) -> None:
    admin = await grown_old(world, admin, clock, settings)
    before = await everything(world)

    refused = await send(world, admin, call, people)

    assert refused.status_code == 401
    assert refused.json()["code"] == "insufficient_user_authentication"
    assert refused.headers["www-authenticate"] == f"{CHALLENGE}, {OUR_API}"
    assert refused.json()["max_age"] == 300
    assert await everything(world) == before
    again = await world.api.post(
        "/me/reauthenticate", json={"password": PASSWORD}, headers=admin.headers
    )
    assert (await send(world, SignedIn.of(again), call, people)).is_success


@pytest.mark.parametrize("call", ASKED + OF_ONE_S_OWN + NOT_ASKED)
async def test_a_session_that_did_not_show_the_factor_is_not_enough(
    world: World, admin: SignedIn, people: dict[str, UUID], clock: MovableClock, call: Call
) -> None:
    owner = await world.log_in("root@example.com")
    await add_totp(world, owner, clock)
    with_factor = SignedIn.of(await world.refresh(owner.refresh))

    refused = await send(world, admin, call, people)

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == f'{CHALLENGE}, acr_values="aal2", {OUR_API}'
    assert (await send(world, with_factor, call, people)).is_success


@pytest.mark.parametrize("call", NOT_ASKED)
async def test_others_are_administered_with_any_sign_in(
    world: World,
    admin: SignedIn,
    people: dict[str, UUID],
    clock: MovableClock,
    settings: Settings,
    call: Call,
) -> None:
    admin = await grown_old(world, admin, clock, settings)

    assert (await send(world, admin, call, people)).is_success
