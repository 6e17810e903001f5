"""Creating and changing accounts."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import CLIENT, PASSWORD, SignedIn, World

from keyfob.authority.models import Role
from keyfob.settings import Settings

ADA = {"email": "Ada@Example.com", "password": PASSWORD}
UNKNOWN = "01890000-0000-7000-8000-000000000000"


async def create(world: World, admin: SignedIn, **fields: Any) -> httpx.Response:
    return await world.api.post("/admin/users", json={**ADA, **fields}, headers=admin.headers)


async def change(
    world: World, admin: SignedIn, user_id: UUID | str, body: dict[str, Any], method: str = "PATCH"
) -> httpx.Response:
    return await world.api.request(
        method, f"/admin/users/{user_id}", json=body, headers=admin.headers
    )


async def tallies_and_truth(world: World) -> tuple[dict[Any, int], dict[Any, int]]:
    """Return how many users there are by role and status, as kept and as counted."""
    kept = await world.db.fetch(
        """
        SELECT role, status, sum(amount)::int AS amount FROM user_tallies
         GROUP BY role, status HAVING sum(amount) <> 0
        """
    )
    counted = await world.db.fetch(
        "SELECT role, status, count(*) AS amount FROM users GROUP BY role, status"
    )
    kept_by, counted_by = (
        {(row["role"], row["status"]): row["amount"] for row in rows} for rows in (kept, counted)
    )
    return kept_by, counted_by


async def test_a_created_account_is_answered_found_and_can_sign_in(
    world: World, admin: SignedIn
) -> None:
    made = await create(world, admin, role="moderator", name="  Ada Lovelace ")

    body = made.json()
    assert made.status_code == 201
    assert {**body, "id": None} == {
        "id": None,
        "email": "Ada@Example.com",
        "email_verified": False,
        "name": "Ada Lovelace",
        "role": "moderator",
        "status": "active",
        "locale": "en",
        "timezone": None,
        "created_at": "2026-11-22T12:00:00Z",
        "last_active_at": None,
        "online": False,
        "total_active_time": 0,
    }
    assert made.headers["location"] == f"/auth/admin/users/{body['id']}"
    found = await world.api.get(made.headers["location"], headers=admin.headers)
    assert found.json() == {**body, "login_sessions": []}
    assert (await world.me(await world.log_in("ada@example.com"))).json()["role"] == "moderator"


async def test_what_is_left_out_is_an_active_user_without_a_name(
    world: World, admin: SignedIn
) -> None:
    body = (await create(world, admin)).json()

    assert (body["role"], body["status"], body["name"]) == ("user", "active", None)


async def test_a_taken_address_is_refused_and_leaves_nothing(world: World, admin: SignedIn) -> None:
    await create(world, admin)
    audited = len(await world.audit_log())

    again = await create(world, admin, email="ADA@example.com", role="admin")

    assert (again.status_code, again.json()["code"]) == (409, "email_taken")
    assert await world.db.fetchval("SELECT count(*) FROM users") == 2
    assert len(await world.audit_log()) == audited


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"role": "root"}, "/body/role"),
    ({"role": None}, "/body/role"),
    ({"status": "deleted"}, "/body/status"),
    ({"name": ""}, "/body/name"),
    ({"name": "   "}, "/body/name"),
    ({"name": "x" * 201}, "/body/name"),
    ({"name": "line\nbreak"}, "/body/name"),
    ({"email": "nobody"}, "/body/email"),
    ({"password": ""}, "/body/password"),
    ({"must_be_unknown": 1}, "/body"),
]


async def test_what_does_not_fit_is_refused_where_it_stands(world: World, admin: SignedIn) -> None:
    for fields, pointer in UNFIT:
        refused = await create(world, admin, **fields)

        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
        assert await world.db.fetchval("SELECT count(*) FROM users") == 1


CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"role": "moderator"}, {"role": "moderator"}),
    ({"status": "blocked"}, {"status": "blocked"}),
    ({"name": "Countess"}, {"name": "Countess"}),
    ({"name": None}, {"name": None}),
    ({"email": "New@Example.com"}, {"email": "New@Example.com"}),
    (
        {"role": "admin", "status": "active", "name": None, "email": "new@example.com"},
        {"role": "admin", "status": "active", "name": None, "email": "new@example.com"},
    ),
]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(("body", "differs"), CHANGES, ids=[str(body) for body, _ in CHANGES])
async def test_what_is_absent_stays_as_it_is_by_put_as_by_patch(
    world: World, admin: SignedIn, method: str, body: dict[str, Any], differs: dict[str, Any]
) -> None:
    before = (await create(world, admin, name="Ada")).json()

    changed = await change(world, admin, before["id"], body, method)

    assert changed.status_code == 200
    assert changed.json() == {**before, **differs}
    found = await world.api.get(f"/admin/users/{before['id']}", headers=admin.headers)
    assert found.json() == {**before, **differs, "login_sessions": []}


UNFIT_CHANGES: list[dict[str, Any]] = [
    {"role": None},
    {"status": None},
    {"email": None},
    {"name": ""},
    {"role": "root"},
    {"status": ""},
    {"email": "nobody"},
    {"password": PASSWORD},
    {"role": "admin", "unknown": 1},
]


async def test_a_change_that_does_not_fit_changes_nothing(world: World, admin: SignedIn) -> None:
    before = (await create(world, admin, name="Ada")).json()

    for body in UNFIT_CHANGES:
        refused = await change(world, admin, before["id"], body)

        assert refused.status_code == 422
        found = await world.api.get(f"/admin/users/{before['id']}", headers=admin.headers)
        assert found.json() == {**before, "login_sessions": []}


async def test_a_change_of_nothing_is_no_event(world: World, admin: SignedIn) -> None:
    user_id = (await create(world, admin, name="Ada")).json()["id"]
    audited = len(await world.audit_log())

    await change(world, admin, user_id, {"name": "Ada", "role": "user", "email": "Ada@Example.com"})

    assert len(await world.audit_log()) == audited


async def test_after_a_change_of_address_the_new_one_signs_in_and_the_old_is_free(
    world: World, admin: SignedIn
) -> None:
    user_id = (await create(world, admin)).json()["id"]
    await change(world, admin, user_id, {"email": "countess@example.com"})

    old = await world.attempt_login()
    assert old.status_code == 401
    assert (await world.me(await world.log_in("countess@example.com"))).json()["id"] == user_id
    assert (await create(world, admin)).status_code == 201


async def test_a_new_spelling_of_the_same_address_is_kept_for_display(
    world: World, admin: SignedIn
) -> None:
    user_id = (await create(world, admin)).json()["id"]

    changed = await change(world, admin, user_id, {"email": "ADA@example.com"})

    assert changed.json()["email"] == "ADA@example.com"


async def test_somebody_else_s_address_is_refused_whole(world: World, admin: SignedIn) -> None:
    before = (await create(world, admin)).json()

    refused = await change(
        world, admin, before["id"], {"email": "ROOT@example.com", "role": "admin"}
    )

    assert (refused.status_code, refused.json()["code"]) == (409, "email_taken")
    found = await world.api.get(f"/admin/users/{before['id']}", headers=admin.headers)
    assert found.json() == {**before, "login_sessions": []}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_an_unknown_user_is_404_and_an_id_that_is_none_422(
    world: World, admin: SignedIn, method: str
) -> None:
    body: dict[str, str] | None = {} if method in {"PUT", "PATCH"} else None
    for path in ("/admin/users/{}", "/admin/users/{}/logout-all", "/admin/users/{}/logins"):
        if (path.endswith("}") or (method == "DELETE" and "logout" in path)) or (
            method == "GET" and path.endswith("logins")
        ):
            unknown = await world.api.request(
                method, path.format(UNKNOWN), json=body, headers=admin.headers
            )
            nonsense = await world.api.request(
                method, path.format("1"), json=body, headers=admin.headers
            )
            assert (unknown.status_code, unknown.json()["code"]) == (404, "user_not_found")
            assert nonsense.status_code == 422


async def test_an_account_is_shown_with_its_live_sessions(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    user_id = (await create(world, admin)).json()["id"]
    iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0)"
    phone = world.client("2001:db8::7", **{"user-agent": iphone})
    first = await world.log_in(by=phone)
    clock.advance(60)
    second = await world.log_in("ada@example.com")
    ended = await world.log_in("ada@example.com")
    await world.api.delete("/logout", headers=ended.headers)

    found = await world.api.get(f"/admin/users/{user_id}", headers=admin.headers)

    newest, oldest = found.json()["login_sessions"]
    assert (newest["id"], newest["ip_address"]) == (second.session_id, CLIENT)
    assert (oldest["id"], oldest["ip_address"]) == (first.session_id, "2001:db8::7")
    assert oldest["device_type"] == "mobile"
    assert oldest["login_at"] == oldest["last_activity_at"] == "2026-11-22T12:00:00Z"
    assert [newest["current"], oldest["current"]] == [False, False]
    own = await world.api.get(
        f"/admin/users/{(await world.me(admin)).json()['id']}", headers=admin.headers
    )
    assert [session["current"] for session in own.json()["login_sessions"]] == [True]


async def test_the_tallies_stay_right_whatever_happens_at_once(
    settings: Settings, clock: MovableClock
) -> None:
    async with World(settings, clock) as one, World(settings, clock) as two:
        admin = await one.make_admin()

        async def live(world: World, number: int) -> None:
            made = await create(world, admin, email=f"u{number}@example.com")
            user_id = made.json()["id"]
            for body in ({"role": "moderator"}, {"status": "blocked"}, {"role": "admin"}):
                assert (await change(world, admin, user_id, body)).status_code == 200
            if number % 2:
                gone = await world.api.delete(f"/admin/users/{user_id}", headers=admin.headers)
                assert gone.status_code == 204

        await asyncio.gather(
            *(live(world, 10 * w + n) for w, world in ((1, one), (2, two)) for n in range(8))
        )

        kept, counted = await tallies_and_truth(one)
        assert counted == {("admin", "active"): 1, ("admin", "blocked"): 8}
        assert kept == counted
        total = await one.api.get("/admin/users?status=blocked&limit=1", headers=admin.headers)
        assert total.headers["x-total-count"] == "8"


async def test_a_refused_change_leaves_the_tallies(world: World, admin: SignedIn) -> None:
    await create(world, admin)
    await create(world, admin)
    root = (await world.me(admin)).json()["id"]
    assert (await change(world, admin, root, {"role": Role.USER})).status_code == 409

    kept, counted = await tallies_and_truth(world)

    assert kept == counted == {("admin", "active"): 1, ("user", "active"): 1}
