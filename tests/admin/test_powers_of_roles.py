"""Nobody does by a further role what they do not hold, or no longer hold."""

import asyncio
from uuid import UUID

from tests.admin.test_further_roles import define, give, refreshed, sign_up_with
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import claims_of
from tests.fixtures.world import SignedIn, World

from keyfob.administration.authority import Actor
from keyfob.administration.roles import RoleAdministration
from keyfob.authority.models import Role
from keyfob.authority.roles import Roles
from keyfob.settings import Settings


async def test_nobody_gives_or_defines_what_they_do_not_hold(world: World, admin: SignedIn) -> None:
    eve_id, eve = await sign_up_with(
        world, admin, "roles:write", "users:write", "users:read", email="eve@example.com"
    )
    await define(world, admin, "auditor", "audit:read")
    ada_id, root_id = await world.make_user(), await world.make_user("r@x.org", role=Role.ADMIN)
    mod_id = await world.make_user("m@x.org", role=Role.MODERATOR)
    refused = [
        await define(world, eve, "more", "audit:read"),
        await give(world, eve, eve_id, "auditor"),
        await give(world, eve, ada_id, "auditor"),
        await give(world, eve, root_id, "support"),
    ]
    for method, path, body in (
        ("PATCH", "/admin/roles/support", {"permissions": ["roles:write", "audit:read"]}),
        ("PATCH", "/admin/roles/auditor", {"permissions": []}),
        ("DELETE", "/admin/roles/auditor", None),
        ("PATCH", f"/admin/users/{eve_id}", {"role": "admin"}),
        ("PATCH", f"/admin/users/{ada_id}", {"role": "moderator"}),
        ("PATCH", f"/admin/users/{root_id}", {"status": "blocked"}),
        ("PATCH", f"/admin/users/{root_id}", {"email": "eve2@example.com"}),
        ("PATCH", f"/admin/users/{mod_id}", {"role": "user"}),
        ("DELETE", f"/admin/users/{root_id}", None),
        ("POST", f"/admin/users/{root_id}/recover", None),
        ("POST", "/admin/users", {"email": "x@example.com", "role": "admin"}),
        ("POST", f"/admin/users/{root_id}/factors/reset", None),
    ):
        refused.append(await world.api.request(method, path, json=body, headers=eve.headers))

    assert {answer.status_code for answer in refused} == {403}
    assert (await define(world, eve, "less", "users:read")).status_code == 201
    assert (await give(world, eve, ada_id, "less")).status_code == 201


async def test_who_holds_more_by_a_further_role_is_changed_by_nobody_with_less(
    world: World, admin: SignedIn
) -> None:
    _, eve = await sign_up_with(world, admin, "users:write", email="eve@example.com")
    await define(world, admin, "auditor", "audit:read")
    ada_id = await world.make_user()
    await give(world, admin, ada_id, "auditor")

    answer = await world.api.patch(
        f"/admin/users/{ada_id}", json={"email": "eve2@example.com"}, headers=eve.headers
    )

    assert answer.status_code == 403


async def test_an_unproven_account_that_registered_itself_gets_no_role(
    world: World, admin: SignedIn
) -> None:
    await define(world, admin, "support", "users:read")
    answer = await world.api.post(
        "/register", json={"email": "eve@example.com", "password": "correct horse battery"}
    )
    eve = SignedIn.of(answer)
    user_id = UUID(claims_of(eve.access)["sub"])

    refused = await give(world, admin, user_id, "support")

    assert (refused.status_code, refused.json()["code"]) == (409, "email_unverified")


async def test_every_change_of_roles_needs_a_recent_sign_in(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    user_id, _ = await sign_up_with(world, admin, "users:read")
    clock.advance(seconds=301)
    old = await refreshed(world, admin)
    path = f"/admin/users/{user_id}/roles"

    for method, at, body in (
        ("POST", "/admin/roles", {"name": "more", "permissions": []}),
        ("PATCH", "/admin/roles/support", {"permissions": []}),
        ("DELETE", "/admin/roles/support", None),
        ("POST", path, {"role": "support"}),
        ("PATCH", f"{path}/support", {"expires_at": None}),
        ("DELETE", f"{path}/support", None),
    ):
        answer = await world.api.request(method, at, json=body, headers=old.headers)
        assert answer.json()["code"] == "insufficient_user_authentication", at


async def test_whoever_loses_a_role_meanwhile_changes_nothing_by_it(
    world: World, admin: SignedIn
) -> None:
    """Asked again under the lock: the token was believed before the role was taken."""
    eve_id, eve = await sign_up_with(
        world, admin, "users:write", "users:read", email="eve@example.com"
    )
    ada_id = await world.make_user()
    changed = 0
    for number in range(20):
        results = await asyncio.gather(
            world.api.delete(f"/admin/users/{eve_id}/roles/support", headers=admin.headers),
            world.api.patch(
                f"/admin/users/{ada_id}", json={"name": f"n{number}"}, headers=eve.headers
            ),
        )
        assert results[0].status_code == 204
        assert results[1].status_code in {200, 401, 403}
        changed += results[1].status_code == 200
        rows = await world.db.fetch(
            "SELECT action FROM audit_events WHERE action IN ('user.changed', 'user.role_taken')"
            " ORDER BY position DESC LIMIT 2"
        )
        if results[1].status_code == 200:
            assert [row[0] for row in rows] == ["user.role_taken", "user.changed"]
        await give(world, admin, eve_id, "support")
        eve = await refreshed(world, eve)
    assert changed < 20


async def test_a_worker_that_polls_sees_a_definition_of_a_clock_behind(world: World) -> None:
    roles = world.service(Roles)
    await world.db.execute("INSERT INTO roles VALUES ('a', '{users:read}', now(), now())")
    await roles.poll(world.db)

    await world.db.execute(
        "UPDATE roles SET permissions = '{}', updated_at = updated_at - interval '1 minute'"
    )
    await roles.poll(world.db)

    assert roles.permissions_of_roles(["a"]) == frozenset()


async def test_whoever_loses_a_permission_of_a_role_changes_nothing_by_it_at_once(
    world: World, admin: SignedIn, settings: Settings, clock: MovableClock
) -> None:
    """A worker that has not heard of the new definition yet reads it under the lock."""
    _, eve = await sign_up_with(world, admin, "roles:write", email="eve@example.com")
    async with World(settings, clock) as other:
        await world.db.execute("UPDATE roles SET permissions = '{}' WHERE name = 'support'")

        undone = await other.api.patch(
            "/admin/roles/support", json={"permissions": ["roles:write"]}, headers=eve.headers
        )

    assert undone.status_code == 403
    assert await world.db.fetchval("SELECT permissions FROM roles") == []


async def test_what_the_command_line_takes_is_not_given_back_by_who_had_it(
    world: World, admin: SignedIn
) -> None:
    """Whoever waited for the command reads what they hold after it."""
    _, eve = await sign_up_with(world, admin, "roles:write", email="eve@example.com")
    administration, machine = world.service(RoleAdministration), Actor(None)

    undone = 0
    for _ in range(20):
        await administration.change(machine, "support", ["roles:write"])
        _, answer = await asyncio.gather(
            administration.change(machine, "support", []),
            world.api.patch(
                "/admin/roles/support", json={"permissions": ["roles:write"]}, headers=eve.headers
            ),
        )
        assert answer.status_code in {200, 403}
        undone += await world.db.fetchval("SELECT permissions FROM roles") != []

    assert undone == 0
