"""Lines 25, 26 and 28 of the abuse list: nobody does more than their role allows."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
from tests.fixtures.clock import MovableClock
from tests.fixtures.waiting import until
from tests.fixtures.world import PASSWORD, SignedIn, World

from keyfob.authority.models import Role
from keyfob.settings import Settings

FOREIGN_FIELDS = ["role", "status", "id", "email_verified", "created_at", "password_hash", "scope"]


async def test_25_nobody_chooses_their_role_status_or_id(world: World) -> None:
    for field in FOREIGN_FIELDS:
        body = {"email": "ada@example.com", "password": PASSWORD, field: "admin"}

        refused = await world.api.post("/register", json=body)

        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == ["/body"]
        assert await world.db.fetchval("SELECT count(*) FROM users") == 0


async def test_25_no_body_of_a_user_has_such_a_field_or_room_for_one(world: World) -> None:
    """Also of a profile: every route that takes one is found in the schema."""
    schema = world.app.openapi()
    bodies = {
        (method.upper(), path): resolve(schema, operation["requestBody"])
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
        if "requestBody" in operation and not path.startswith(("/admin/", "/oauth2/"))
    }

    assert ("POST", "/register") in bodies
    for operation, body in bodies.items():
        assert body["additionalProperties"] is False, operation
        # What an API key may do is cut down to what its user may.
        own = {"scope"} if operation == ("POST", "/me/api-keys") else set()
        assert not set(body["properties"]) & set(FOREIGN_FIELDS) - own, operation


async def test_25_nobody_chooses_them_in_the_profile_either(world: World) -> None:
    await world.make_user()
    ada = await world.log_in()
    before = (await world.me(ada)).json()
    for field in [*FOREIGN_FIELDS, "email", "email_verified_at", "erase_at"]:
        refused = await world.api.patch(
            "/me", json={"name": "Eve", field: "admin"}, headers=ada.headers
        )

        assert refused.status_code == 422, field
        assert [error["pointer"] for error in refused.json()["errors"]] == ["/body"]
    assert (await world.me(ada)).json() == before


async def test_25_an_administrator_changes_no_id_and_nobody_s_history(world: World) -> None:
    admin = await world.make_admin()
    user_id = await world.make_user()
    for field in ("id", "email_verified", "created_at", "password", "total_active_time"):
        answer = await world.api.patch(
            f"/admin/users/{user_id}", json={field: "x"}, headers=admin.headers
        )
        assert answer.status_code == 422, field


def resolve(schema: dict[str, Any], request_body: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a JSON body, following references and "or null"."""
    body: dict[str, Any] = request_body["content"]["application/json"]["schema"]
    if "anyOf" in body:
        body = body["anyOf"][0]
    if "$ref" in body:
        body = schema["components"]["schemas"][body["$ref"].rpartition("/")[2]]
    return body


async def test_26_of_two_last_admins_demoted_by_two_requests_at_once_one_stays(
    settings: Settings, clock: MovableClock
) -> None:
    # Nine rounds of each kind, each request on a worker and a connection of its own.
    changes: list[tuple[str, dict[str, str]]] = [
        ("PATCH", {"role": "user"}),
        ("PUT", {"status": "blocked"}),
        ("DELETE", {}),
    ] * 9
    async with World(settings, clock) as one, World(settings, clock) as two:

        async def take_down(world: World, caller: SignedIn, target: UUID) -> httpx.Response:
            return await world.api.request(
                method, f"/admin/users/{target}", json=change or None, headers=caller.headers
            )

        for number, (method, change) in enumerate(changes):
            pair = [f"{who}{number}@example.com" for who in "ab"]
            ids = [await one.make_user(email, role=Role.ADMIN) for email in pair]
            first, second = [await one.log_in(email) for email in pair]

            answers = await asyncio.gather(
                take_down(one, first, ids[1]), take_down(two, second, ids[0])
            )

            left = await one.db.fetch(
                "SELECT id FROM users WHERE role = 'admin' AND status = 'active'"
            )
            outcomes = sorted(answer.status_code for answer in answers)
            assert len(left) == 1, (method, change)
            # The loser is told that it is the last, or that it is no admin any more.
            assert outcomes[0] in {200, 204}
            assert outcomes[1] in {401, 409}
            await one.db.execute("DELETE FROM users")


async def test_28_a_privilege_change_acts_on_the_next_request(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        root = await one.make_admin()
        ada = await one.make_user("ada@example.com")
        as_user = await one.log_in("ada@example.com")

        async def list_users(world: World, caller: SignedIn) -> int:
            return (await world.api.get("/admin/users", headers=caller.headers)).status_code

        async def set_role(role: str) -> None:
            changed = await one.api.patch(
                f"/admin/users/{ada}", json={"role": role}, headers=root.headers
            )
            assert changed.json()["role"] == role

        assert (await list_users(one, as_user), await list_users(two, as_user)) == (403, 403)

        await set_role("admin")
        assert (await one.me(as_user)).status_code == 401
        as_admin = SignedIn.of(await two.refresh(as_user.refresh))
        assert (await list_users(one, as_admin), await list_users(two, as_admin)) == (200, 200)

        await set_role("moderator")
        assert await list_users(one, as_admin) == 401

        async def refused_by_the_other_worker() -> bool:
            return await list_users(two, as_admin) == 401

        await until(refused_by_the_other_worker)
        as_moderator = SignedIn.of(await one.refresh(as_admin.refresh))
        assert (await list_users(one, as_moderator), await list_users(two, as_moderator)) == (
            403,
            403,
        )
