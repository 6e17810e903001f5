"""Further roles: what they permit, until when, and that nobody gives what they do not hold."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import claims_of
from tests.fixtures.world import SignedIn, World, eventually

from keyfob.authority.roles import Roles
from keyfob.settings import Settings


async def define(world: World, admin: SignedIn, name: str, *permissions: str) -> httpx.Response:
    return await world.api.post(
        "/admin/roles",
        json={"name": name, "permissions": list(permissions)},
        headers=admin.headers,
    )


async def give(
    world: World, admin: SignedIn, user_id: UUID, role: str, ends: datetime | None = None
) -> httpx.Response:
    body = {"role": role, **({"expires_at": ends.isoformat()} if ends else {})}
    return await world.api.post(f"/admin/users/{user_id}/roles", json=body, headers=admin.headers)


async def sign_up_with(
    world: World, admin: SignedIn, *permissions: str, email: str = "ada@example.com"
) -> tuple[UUID, SignedIn]:
    """Return somebody who has one further role, `support`, signed in."""
    user_id = await world.make_user(email)
    assert (await define(world, admin, "support", *permissions)).status_code in {201, 409}
    assert (await give(world, admin, user_id, "support")).status_code == 201
    return user_id, await world.log_in(email)


async def refreshed(world: World, session: SignedIn) -> SignedIn:
    return SignedIn.of(await world.refresh(session.refresh))


async def may(world: World, caller: SignedIn, path: str) -> bool:
    answer = await world.api.get(path, headers=caller.headers)
    assert answer.status_code in {200, 403}, answer.text
    return answer.status_code == 200


async def test_a_role_gives_reading_without_writing(world: World, admin: SignedIn) -> None:
    user_id, ada = await sign_up_with(world, admin, "users:read", "logins:read")

    assert await may(world, ada, "/admin/users")
    assert await may(world, ada, "/admin/logins")
    assert not await may(world, ada, "/admin/audit")
    path = f"/admin/users/{user_id}"
    blocked = await world.api.patch(path, json={"status": "blocked"}, headers=ada.headers)
    assert blocked.json()["code"] == "forbidden"


async def test_a_token_tells_roles_and_permissions(world: World, admin: SignedIn) -> None:
    _, ada = await sign_up_with(world, admin, "users:read", "orders:refund")

    claims = claims_of(ada.access)

    assert (claims["role"], claims["roles"]) == ("user", ["user", "support"])
    assert claims["scope"] == "account orders:refund users:read"


async def test_a_role_acts_at_once_and_nobody_is_signed_out(world: World, admin: SignedIn) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    await define(world, admin, "support", "users:read")

    await give(world, admin, user_id, "support")
    with_role = await refreshed(world, ada)
    old = await world.api.get("/me", headers=ada.headers)
    allowed = await may(world, with_role, "/admin/users")
    await world.api.delete(f"/admin/users/{user_id}/roles/support", headers=admin.headers)
    taken = await world.api.get("/admin/users", headers=with_role.headers)
    without = await refreshed(world, with_role)

    assert old.status_code == 401
    assert allowed
    assert taken.status_code == 401
    assert not await may(world, without, "/admin/users")


async def test_a_role_that_ends_cuts_the_token_and_is_gone_after_it(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    user_id = await world.make_user()
    await define(world, admin, "support", "users:read")
    await give(world, admin, user_id, "support", clock.now() + timedelta(seconds=100))
    ada = await world.log_in()
    claims = claims_of(ada.access)
    assert claims["exp"] - claims["iat"] == 100

    clock.advance(seconds=101)
    later = await refreshed(world, ada)

    assert (await world.api.get("/admin/users", headers=ada.headers)).status_code == 401
    assert claims_of(later.access)["roles"] == ["user"]
    assert claims_of(later.access)["scope"] == "account"
    assert not await may(world, later, "/admin/users")
    listed = await world.api.get(f"/admin/users/{user_id}/roles", headers=admin.headers)
    assert listed.json() == []


async def test_a_changed_definition_acts_at_once_in_every_worker(
    world: World, admin: SignedIn, settings: Settings, clock: MovableClock
) -> None:
    _, ada = await sign_up_with(world, admin, "users:read")
    async with World(settings, clock) as other:
        assert await may(other, ada, "/admin/users")

        await world.api.patch(
            "/admin/roles/support", json={"permissions": ["audit:read"]}, headers=admin.headers
        )

        assert not await may(world, ada, "/admin/users")
        assert await may(world, ada, "/admin/audit")
        roles = other.service(Roles)
        await eventually(lambda: "users:read" not in roles.permissions_of_roles(["support"]))
        assert not await may(other, ada, "/admin/users")
        assert await may(other, ada, "/admin/audit")


async def test_a_new_end_is_given_to_a_role(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    user_id, _ = await sign_up_with(world, admin, "users:read")
    path = f"/admin/users/{user_id}/roles/support"
    ends = clock.now() + timedelta(days=1)

    changed = await world.api.patch(
        path, json={"expires_at": ends.isoformat()}, headers=admin.headers
    )
    [given] = (await world.api.get(path.rpartition("/")[0], headers=admin.headers)).json()
    for_good = await world.api.patch(path, json={"expires_at": None}, headers=admin.headers)

    assert datetime.fromisoformat(changed.json()["expires_at"]) == ends
    assert (given["role"], datetime.fromisoformat(given["expires_at"])) == ("support", ends)
    assert for_good.json()["expires_at"] is None


async def test_roles_are_listed_with_what_they_permit(world: World, admin: SignedIn) -> None:
    await define(world, admin, "support", "users:read", "logins:read")

    listed = (await world.api.get("/admin/roles", headers=admin.headers)).json()

    assert [role["name"] for role in listed] == ["user", "moderator", "admin", "support"]
    assert listed[0]["permissions"] == listed[1]["permissions"] == ["account:read"]
    assert set(listed[3]["permissions"]) < set(listed[2]["permissions"])
    assert listed[3]["permissions"] == ["logins:read", "users:read"]


async def test_why_tells_by_which_roles(world: World, admin: SignedIn) -> None:
    user_id, _ = await sign_up_with(world, admin, "users:read")
    path = f"/admin/users/{user_id}/why"

    async def why(permission: str) -> dict[str, Any]:
        asked = await world.api.get(path, params={"permission": permission}, headers=admin.headers)
        answer: dict[str, Any] = asked.json()
        return answer

    held, not_held = await why("users:read"), await why("audit:read")
    await world.api.patch(
        f"/admin/users/{user_id}", json={"status": "blocked"}, headers=admin.headers
    )
    blocked = await why("users:read")

    assert held["held"]
    assert held["roles"] == [{"role": "support", "expires_at": None}]
    assert (not_held["held"], not_held["roles"]) == (False, [])
    assert (blocked["held"], blocked["status"]) == (False, "blocked")


async def test_a_role_that_somebody_has_stays(world: World, admin: SignedIn) -> None:
    user_id, _ = await sign_up_with(world, admin, "users:read")

    refused = await world.api.delete("/admin/roles/support", headers=admin.headers)
    await world.api.delete(f"/admin/users/{user_id}/roles/support", headers=admin.headers)
    removed = await world.api.delete("/admin/roles/support", headers=admin.headers)

    assert (refused.status_code, refused.json()["code"]) == (409, "role_in_use")
    assert refused.json()["user_ids"] == [str(user_id)]
    assert removed.status_code == 204


async def test_a_role_that_has_ended_for_everybody_is_deleted(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    await define(world, admin, "support", "users:read")
    ends = clock.now() + timedelta(seconds=60)
    body = {"role": "support", "expires_at": ends.isoformat()}
    user_id = await world.make_user("eve@example.com")
    given = await world.api.post(f"/admin/users/{user_id}/roles", json=body, headers=admin.headers)
    assert given.status_code == 201
    clock.advance(seconds=61)

    removed = await world.api.delete("/admin/roles/support", headers=admin.headers)

    assert removed.status_code == 204


@pytest.mark.parametrize("name", ["user", "moderator", "admin", "support"])
async def test_a_name_is_taken_once(world: World, admin: SignedIn, name: str) -> None:
    await define(world, admin, "support")

    assert (await define(world, admin, name)).json()["code"] == "role_taken"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Support"},
        {"name": "a b"},
        {"name": ""},
        {"name": "x" * 65},
        {"permissions": ["Users Read"]},
        {"permissions": ["users:read", "users:read"]},
        {"permissions": ["x"] * 101},
        {"permissions": "users:read"},
        {"more": 1},
    ],
    ids=str,
)
async def test_what_does_not_fit_defines_nothing(
    world: World, admin: SignedIn, wrong: dict[str, Any]
) -> None:
    body = {"name": "support", "permissions": [], **wrong}

    answer = await world.api.post("/admin/roles", json=body, headers=admin.headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_what_is_not_there(world: World, admin: SignedIn) -> None:
    user_id, nobody = await world.make_user(), UUID(int=1)
    calls = [
        ("PATCH", "/admin/roles/none", {"permissions": []}, "role_not_found"),
        ("DELETE", "/admin/roles/none", None, "role_not_found"),
        ("PATCH", f"/admin/users/{user_id}/roles/none", {"expires_at": None}, "role_not_found"),
        ("DELETE", f"/admin/users/{user_id}/roles/none", None, "role_not_found"),
        ("GET", f"/admin/users/{nobody}/roles", None, "user_not_found"),
        ("GET", f"/admin/users/{nobody}/why?permission=users:read", None, "user_not_found"),
        ("POST", f"/admin/users/{nobody}/roles", {"role": "none"}, "user_not_found"),
        ("DELETE", f"/admin/users/{nobody}/roles/none", None, "user_not_found"),
    ]

    for method, path, body, code in calls:
        answer = await world.api.request(method, path, json=body, headers=admin.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, code), path
    unknown = await give(world, admin, user_id, "none")
    assert (unknown.status_code, unknown.json()["code"]) == (409, "unknown_role")


@pytest.mark.parametrize(
    "ends",
    ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2020-01-01T00:00:00Z", "2030"],
)
async def test_an_end_is_to_come_and_within_the_calendar(
    world: World, admin: SignedIn, ends: str
) -> None:
    user_id, _ = await sign_up_with(world, admin, "users:read")
    path = f"/admin/users/{user_id}/roles"
    calls = [("POST", path, {"role": "support"}), ("PATCH", f"{path}/support", {})]

    for method, at, body in calls:
        answer = await world.api.request(
            method, at, json={**body, "expires_at": ends}, headers=admin.headers
        )
        assert answer.status_code == 422, at


async def test_what_is_done_to_roles_is_on_record(world: World, admin: SignedIn) -> None:
    user_id, _ = await sign_up_with(world, admin, "users:read")
    await world.api.patch("/admin/roles/support", json={"permissions": []}, headers=admin.headers)
    await world.api.delete(f"/admin/users/{user_id}/roles/support", headers=admin.headers)
    await world.api.delete("/admin/roles/support", headers=admin.headers)

    rows = await world.db.fetch("SELECT action, target_id FROM audit_events ORDER BY position")

    assert [tuple(row) for row in rows if "role" in row[0]] == [
        ("role.created", None),
        ("user.role_given", user_id),
        ("role.changed", None),
        ("user.role_taken", user_id),
        ("role.deleted", None),
    ]
