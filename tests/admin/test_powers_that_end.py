"""Nobody gives a permission for longer than they hold it themselves."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.admin.test_further_roles import define, give, may, refreshed
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import own_api
from tests.fixtures.world import SignedIn, World

HOUR = timedelta(hours=1)

Ends = datetime | None


async def on_call(
    world: World, admin: SignedIn, ends: datetime, *permissions: str
) -> tuple[UUID, SignedIn]:
    """Return somebody who holds `roles:write` for good and more permissions until `ends`."""
    user_id = await world.make_user("eve@example.com")
    await define(world, admin, "lead", "roles:write", "clients:write")
    await define(world, admin, "oncall", *permissions)
    assert (await give(world, admin, user_id, "lead")).status_code == 201
    assert (await give(world, admin, user_id, "oncall", ends)).status_code == 201
    return user_id, await world.log_in("eve@example.com")


async def patch(world: World, caller: SignedIn, path: str, body: dict[str, Any]) -> httpx.Response:
    return await world.api.patch(path, json=body, headers=caller.headers)


async def test_nobody_takes_the_end_away_from_a_role_of_their_own(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    eve_id, eve = await on_call(world, admin, clock.now() + HOUR, "users:read")
    path = f"/admin/users/{eve_id}/roles/oncall"

    for_good = await patch(world, eve, path, {"expires_at": None})
    later = await patch(world, eve, path, {"expires_at": (clock.now() + 2 * HOUR).isoformat()})
    sooner = await patch(world, eve, path, {"expires_at": (clock.now() + HOUR / 2).isoformat()})
    clock.advance(seconds=3601)

    assert [for_good.status_code, later.status_code, sooner.status_code] == [403, 403, 200]
    assert not await may(world, await refreshed(world, eve), "/admin/users")


@pytest.mark.parametrize("to", ["eve@example.com", "ada@example.com"])
async def test_a_role_of_their_own_making_ends_no_later(
    world: World, admin: SignedIn, clock: MovableClock, to: str
) -> None:
    ends = clock.now() + HOUR
    eve_id, eve = await on_call(world, admin, ends, "users:read")
    user_id = eve_id if to == "eve@example.com" else await world.make_user(to)
    assert (await define(world, eve, "kept", "users:read")).status_code == 201

    given = [
        (await give(world, eve, user_id, "kept", until)).status_code
        for until in (None, ends + HOUR, ends)
    ]

    assert given == [403, 403, 201]


async def test_a_role_that_others_have_is_widened_only_by_who_holds_it_for_good(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    _, eve = await on_call(world, admin, clock.now() + HOUR, "users:read")

    wider = {"permissions": ["roles:write", "clients:write", "users:read"]}
    refused = await patch(world, eve, "/admin/roles/lead", wider)
    narrower = await patch(world, eve, "/admin/roles/lead", {"permissions": ["roles:write"]})
    of_admin = await patch(world, admin, "/admin/roles/lead", wider)

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert [narrower.status_code, of_admin.status_code] == [200, 200]


async def test_the_later_of_two_ends_counts(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    eve_id, eve = await on_call(world, admin, clock.now() + HOUR, "users:read")
    await define(world, admin, "spare", "users:read", "audit:read")
    await give(world, admin, eve_id, "spare", clock.now() + 3 * HOUR)
    eve = await refreshed(world, eve)
    path = f"/admin/users/{eve_id}/roles/oncall"

    later = await patch(world, eve, path, {"expires_at": (clock.now() + 2 * HOUR).isoformat()})

    assert later.status_code == 200


async def test_an_api_key_gives_no_longer_than_its_user_may(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    eve_id, eve = await on_call(world, admin, clock.now() + HOUR, "users:read")
    body = {"name": "ci", "scope": ["roles:write", "clients:write", "users:read"]}
    made = await world.api.post("/me/api-keys", json=body, headers=eve.headers)
    key = {"Authorization": f"Bearer {made.json()['api_key']}"}
    path = f"/admin/users/{eve_id}/roles/oncall"

    answer = await world.api.patch(path, json={"expires_at": None}, headers=key)

    assert answer.status_code == 403


async def test_a_client_with_a_permission_is_made_only_by_who_holds_it_for_good(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    """Threat: a client, and each of its secrets, works on after its maker's role has ended."""
    ends = clock.now() + HOUR
    _, eve = await on_call(world, admin, ends, "users:read")
    body = {"name": "report", "scope": ["users:read"], "resources": [own_api(world)]}
    made = await world.api.post("/admin/clients", json=body, headers=admin.headers)
    path = f"/admin/clients/{made.json()['id']}"

    async def post(at: str, sent: dict[str, Any]) -> int:
        answer = await world.api.post(at, json=sent, headers=eve.headers)
        return answer.status_code

    assert await post("/admin/clients", body) == 403
    assert await post(f"{path}/secrets", {}) == 403
    assert await post(f"{path}/secrets", {"expires_at": ends.isoformat()}) == 201
    assert (await patch(world, eve, path, {"name": "theirs"})).status_code == 403
    assert (await patch(world, eve, path, {"disabled": True})).status_code == 200
    assert (await patch(world, eve, path, {"disabled": False})).status_code == 403
    removed = await world.api.delete(path, headers=eve.headers)
    assert removed.status_code == 204


@pytest.mark.parametrize(("theirs", "status"), [(None, 403), (2 * HOUR, 403), (HOUR, 200)])
async def test_who_holds_a_permission_for_longer_is_changed_by_nobody_who_holds_it_shorter(
    world: World, admin: SignedIn, clock: MovableClock, theirs: timedelta | None, status: int
) -> None:
    """Threat: whoever has a right for a day takes over who has it for good."""
    _, eve = await on_call(world, admin, clock.now() + HOUR, "users:read", "users:write")
    ada_id = await world.make_user("ada@example.com")
    ends = clock.now() + theirs if theirs else None
    assert (await give(world, admin, ada_id, "oncall", ends)).status_code == 201

    moved = await patch(world, eve, f"/admin/users/{ada_id}", {"email": "eve2@example.com"})

    assert moved.status_code == status


async def test_an_api_key_makes_nothing_that_outlives_it(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    body = {
        "name": "ci",
        "scope": ["clients:write", "roles:write", "users:read"],
        "expires_at": (clock.now() + HOUR).isoformat(),
    }
    made = await world.api.post("/me/api-keys", json=body, headers=admin.headers)
    key = {"Authorization": f"Bearer {made.json()['api_key']}"}
    client = {"name": "report", "scope": ["users:read"], "resources": [own_api(world)]}

    refused = await world.api.post("/admin/clients", json=client, headers=key)
    harmless = await world.api.post("/admin/clients", json={"name": "orders"}, headers=key)

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert harmless.status_code == 201, harmless.text
