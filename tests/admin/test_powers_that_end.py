"""Nobody gives a permission for longer than they hold it themselves."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.admin.test_further_roles import define, give, may, refreshed
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import ORDERS, Program, make_program, make_resource, own_api
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
    without_scope = await world.api.post("/admin/clients", json={"name": "orders"}, headers=key)

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert without_scope.status_code == 403


@pytest.mark.parametrize("by", ["key", "person"])
async def test_a_client_without_scope_outlives_no_right_to_make_it(
    world: World, admin: SignedIn, clock: MovableClock, by: str
) -> None:
    """Threat: by its resource it introspects for good every token that the API is shown."""
    await make_resource(world)
    reader = await make_program(world, scope=[], resources=[ORDERS])
    ends = clock.now() + HOUR
    if by == "key":
        headers = await key_of(world, admin, ends, "clients:write")
    else:
        await define(world, admin, "deployer", "clients:write")
        await give(world, admin, await world.make_user("eve@example.com"), "deployer", ends)
        headers = (await world.log_in("eve@example.com")).headers
    path = f"/admin/clients/{reader.id}"

    async def ask(method: str, at: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        answer = await world.api.request(method, at, json=body, headers=headers)
        return answer.status_code, answer.json() if answer.content else None

    client = {"name": "reader", "scope": [], "resources": [ORDERS]}
    assert (await ask("POST", "/admin/clients", client))[0] == 403
    assert (await ask("POST", f"{path}/secrets", {}))[0] == 403
    assert (await ask("PATCH", path, {"name": "theirs"}))[0] == 403
    status, made = await ask("POST", f"{path}/secrets", {"expires_at": ends.isoformat()})
    assert status == 201
    assert (await ask("DELETE", f"{path}/secrets/{made['id']}"))[0] == 204
    assert (await ask("PATCH", path, {"disabled": True}))[0] == 200
    assert (await ask("DELETE", path))[0] == 204


async def make_deploy_tool(world: World) -> Program:
    """Return a client that is there already, whose scope holds the right to write clients."""
    scope = ["clients:write", "users:read", "users:write"]
    return await make_program(world, scope=scope, resources=[own_api(world)])


async def walk_by_secret(
    world: World, deploy: Program, headers: dict[str, str], ends: datetime
) -> list[int]:
    """Add a secret until `ends`; return the answers to what a token of it asks for."""
    secrets = f"/admin/clients/{deploy.id}/secrets"
    sent = {"expires_at": ends.isoformat()}
    made = await world.api.post(secrets, json=sent, headers=headers)
    assert made.status_code == 201, made.text
    token = await Program(world, deploy.id, made.json()["client_secret"]).get_token()
    by_secret = {"Authorization": f"Bearer {token}"}
    client = {"name": "x", "scope": ["users:write"], "resources": [own_api(world)]}
    no_end = await world.api.post(secrets, json={}, headers=by_secret)
    other = await world.api.post("/admin/clients", json=client, headers=by_secret)
    told = await world.api.get("/admin/users", headers=by_secret)
    return [no_end.status_code, other.status_code, told.status_code]


@pytest.mark.parametrize("by", ["key", "person"])
async def test_a_secret_that_ends_makes_nothing_that_does_not(
    world: World, admin: SignedIn, clock: MovableClock, by: str
) -> None:
    """Threat: whoever may write clients for a minute holds it for good, by a client of others."""
    deploy = await make_deploy_tool(world)
    ends = clock.now() + HOUR
    permissions = ["clients:write", "users:read", "users:write"]
    headers = (await on_call(world, admin, ends, *permissions[1:]))[1].headers
    if by == "key":
        body = {"name": "ci", "scope": permissions, "expires_at": ends.isoformat()}
        made = await world.api.post("/me/api-keys", json=body, headers=admin.headers)
        headers = {"Authorization": f"Bearer {made.json()['api_key']}"}

    assert await walk_by_secret(world, deploy, headers, ends) == [403, 403, 200]


async def test_scopes_of_other_apis_are_given_no_longer_than_clients_may_be_written(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    await make_resource(world)
    reports = await make_program(world)
    ends = clock.now() + HOUR
    body = {"name": "ci", "scope": ["clients:write"], "expires_at": ends.isoformat()}
    made = await world.api.post("/me/api-keys", json=body, headers=admin.headers)
    key = {"Authorization": f"Bearer {made.json()['api_key']}"}
    client = {"name": "x", "scope": ["orders:read"], "resources": [ORDERS]}
    secrets = f"/admin/clients/{reports.id}/secrets"

    registered = await world.api.post("/admin/clients", json=client, headers=key)
    no_end = await world.api.post(secrets, json={}, headers=key)
    with_end = await world.api.post(secrets, json={"expires_at": ends.isoformat()}, headers=key)

    assert [registered.status_code, no_end.status_code] == [403, 403]
    assert with_end.status_code == 201


async def key_of(world: World, caller: SignedIn, ends: datetime, *scope: str) -> dict[str, str]:
    """Return the headers of an API key that ends."""
    body = {"name": "ci", "scope": scope, "expires_at": ends.isoformat()}
    made = await world.api.post("/me/api-keys", json=body, headers=caller.headers)
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['api_key']}"}


@pytest.mark.parametrize("by", ["key", "person"])
async def test_a_role_that_only_others_read_is_given_no_longer_than_roles_may_be(
    world: World, admin: SignedIn, clock: MovableClock, by: str
) -> None:
    """Threat: services that read `roles` believe a name that was given for good in a minute."""
    ends = clock.now() + HOUR
    pal_id = await world.make_user("pal@example.com")
    await define(world, admin, "refunds")
    if by == "key":
        headers = await key_of(world, admin, ends, "roles:write")
    else:
        await define(world, admin, "giver", "roles:write")
        eve_id = await world.make_user("eve@example.com")
        await give(world, admin, eve_id, "giver", ends)
        headers = (await world.log_in("eve@example.com")).headers

    async def give_refunds(until: datetime | None) -> int:
        body = {"role": "refunds", "expires_at": until.isoformat() if until else None}
        path = f"/admin/users/{pal_id}/roles"
        return (await world.api.post(path, json=body, headers=headers)).status_code

    assert [await give_refunds(until) for until in (None, ends + HOUR, ends)] == [403, 403, 201]


async def test_a_key_that_ends_shortens_no_role_of_its_own_user(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    """Threat: the finder of a key locks its user out of what the user has for good."""
    eve_id = await world.make_user("eve@example.com")
    await define(world, admin, "lead", "roles:write", "users:read")
    await give(world, admin, eve_id, "lead")
    eve = await world.log_in("eve@example.com")
    key = await key_of(world, eve, clock.now() + HOUR, "roles:write", "users:read")
    path = f"/admin/users/{eve_id}/roles/lead"

    soon = {"expires_at": (clock.now() + HOUR / 2).isoformat()}
    shortened = await world.api.patch(path, json=soon, headers=key)
    taken = await world.api.delete(path, headers=key)

    assert [shortened.status_code, taken.status_code] == [403, 403]
