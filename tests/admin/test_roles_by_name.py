"""A further role counts by its name, which other services read, and not by its permissions here."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.admin.test_further_roles import define, give, sign_up_with
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import make_program, own_api
from tests.fixtures.world import SignedIn, World

HOUR = timedelta(hours=1)
BILLING = "billing-admin"

# What they permit here is no more than every user may.
HOLDERS = pytest.mark.parametrize("permissions", [[], ["account:read"]], ids=["none", "read"])

# How somebody's account becomes another's, or theirs no longer.
CALLS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("PATCH", "", {"email": "eve2@example.com"}),
    ("PATCH", "", {"status": "blocked"}),
    ("PATCH", "", {"name": "Eve"}),
    ("DELETE", "", None),
    ("POST", "/recover", None),
    ("POST", "/factors/reset", None),
    ("DELETE", "/logout-all", None),
]


async def make_holder(
    world: World, admin: SignedIn, permissions: list[str], ends: timedelta | None, now: Any
) -> UUID:
    user_id = await world.make_user("ada@example.com")
    assert (await define(world, admin, BILLING, *permissions)).status_code == 201
    until = now + ends if ends else None
    assert (await give(world, admin, user_id, BILLING, until)).status_code == 201
    return user_id


async def answers(world: World, user_id: UUID, headers: dict[str, str]) -> set[int]:
    found = set()
    for method, path, body in CALLS:
        at = f"/admin/users/{user_id}{path}"
        answer = await world.api.request(method, at, json=body, headers=headers)
        found.add(answer.status_code)
    return found


@HOLDERS
@pytest.mark.parametrize("more", [[], ["roles:write"]])
async def test_no_program_takes_over_who_has_one(
    world: World, admin: SignedIn, clock: MovableClock, permissions: list[str], more: list[str]
) -> None:
    """Threat: it moves the account to an address of its own, recovers it, and has its role."""
    holder = await make_holder(world, admin, permissions, None, clock.now())
    scope = ["users:write", "sessions:end", *more]
    client = await make_program(world, scope=scope, resources=[own_api(world)])
    headers = {"Authorization": f"Bearer {await client.get_token()}"}
    path = f"/admin/users/{holder}"

    moved = await world.api.patch(path, json={"email": "eve2@example.com"}, headers=headers)

    assert (moved.status_code, moved.json()["code"]) == (403, "forbidden")
    if not more:
        assert await answers(world, holder, headers) == {403}
    assert await world.db.fetchval("SELECT email FROM users WHERE id = $1", holder) == (
        "ada@example.com"
    )


@HOLDERS
async def test_who_may_give_no_roles_changes_nobody_who_has_one(
    world: World, admin: SignedIn, clock: MovableClock, permissions: list[str]
) -> None:
    holder = await make_holder(world, admin, permissions, None, clock.now())
    rights = ["users:write", "sessions:end"]
    eve_id, eve = await sign_up_with(world, admin, *rights, email="eve@example.com")
    plain = await world.make_user("plain@example.com")

    assert await answers(world, holder, eve.headers) == {403}
    for user_id in (eve_id, plain):
        path = f"/admin/users/{user_id}"
        own = await world.api.patch(path, json={"name": "Eve"}, headers=eve.headers)
        assert own.status_code == 200


@HOLDERS
@pytest.mark.parametrize(("theirs", "status"), [(None, 403), (2 * HOUR, 403), (HOUR, 200)])
async def test_nor_does_who_may_give_roles_for_a_shorter_time(
    world: World,
    admin: SignedIn,
    clock: MovableClock,
    permissions: list[str],
    theirs: timedelta | None,
    status: int,
) -> None:
    """Threat: whoever has a right for a day takes over who has a role for good."""
    holder = await make_holder(world, admin, permissions, theirs, clock.now())
    eve_id = await world.make_user("eve@example.com")
    await define(world, admin, "oncall", "users:write", "roles:write")
    await give(world, admin, eve_id, "oncall", clock.now() + HOUR)
    eve = await world.log_in("eve@example.com")

    moved = await world.api.patch(
        f"/admin/users/{holder}", json={"email": "eve2@example.com"}, headers=eve.headers
    )

    assert moved.status_code == status


async def test_a_role_that_is_over_protects_nobody(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    holder = await make_holder(world, admin, [], HOUR, clock.now())
    _, eve = await sign_up_with(world, admin, "users:write", email="eve@example.com")
    clock.advance(minutes=61)
    eve = SignedIn.of(await world.refresh(eve.refresh))

    moved = await world.api.patch(
        f"/admin/users/{holder}", json={"email": "ada2@example.com"}, headers=eve.headers
    )

    assert moved.status_code == 200
