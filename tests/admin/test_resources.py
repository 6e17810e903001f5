"""Resources: what clients have of them is not taken away in silence."""

from typing import Any
from uuid import UUID

from tests.admin.test_clients import ORDERS, actions, add_client, add_orders, generation_of
from tests.fixtures.world import SignedIn, World

STOCK = "https://stock.example.com"


async def read_scope(world: World, admin: SignedIn, client: dict[str, Any]) -> list[str]:
    answer = await world.api.get(f"/admin/clients/{client['id']}", headers=admin.headers)
    scope: list[str] = answer.json()["scope"]
    return scope


async def test_a_resource_is_read_by_its_id(world: World, admin: SignedIn) -> None:
    asked = {"identifier": STOCK, "name": "Stock", "scopes": {"stock:read": {}}}
    made = await world.api.post("/admin/resources", json=asked, headers=admin.headers)

    read = await world.api.get(made.headers["location"], headers=admin.headers)
    gone = await world.api.get(f"/admin/resources/{UUID(int=7)}", headers=admin.headers)

    assert (read.status_code, read.json()) == (200, made.json())
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


async def test_a_resource_that_clients_have_is_not_deleted(world: World, admin: SignedIn) -> None:
    path = f"/admin/resources/{await add_orders(world, admin)}"
    client = await add_client(world, admin)

    refused = await world.api.delete(path, headers=admin.headers)
    await world.api.patch(
        f"/admin/clients/{client['id']}",
        json={"resources": [], "scope": []},
        headers=admin.headers,
    )
    deleted = await world.api.delete(path, headers=admin.headers)

    assert (refused.status_code, refused.json()["code"]) == (409, "resource_in_use")
    assert (refused.json()["client_ids"], refused.json()["detail"]) == ([client["id"]], "1 in all")
    assert deleted.status_code == 204
    assert await generation_of(world, client["id"]) == 1


async def test_a_scope_that_a_resource_loses_is_lost_by_its_clients_with_their_tokens(
    world: World, admin: SignedIn
) -> None:
    path = f"/admin/resources/{await add_orders(world, admin)}"
    loses = await add_client(world, admin, scope=["orders:read", "orders:write"])
    keeps = await add_client(world, admin, scope=["orders:read"])

    changed = await world.api.patch(
        path, json={"scopes": {"orders:read": {}}}, headers=admin.headers
    )

    assert changed.status_code == 200
    assert await read_scope(world, admin, loses) == ["orders:read"]
    assert await read_scope(world, admin, keeps) == ["orders:read"]
    assert await generation_of(world, loses["id"]) == 1
    assert await generation_of(world, keeps["id"]) == 0
    assert (await actions(world))[-2:] == ["client.changed", "resource.changed"]


async def test_a_scope_stays_where_another_resource_of_the_client_offers_it(
    world: World, admin: SignedIn
) -> None:
    path = f"/admin/resources/{await add_orders(world, admin)}"
    asked = {"identifier": STOCK, "name": "Stock", "scopes": {"orders:read": {}}}
    await world.api.post("/admin/resources", json=asked, headers=admin.headers)
    both = await add_client(world, admin, resources=[ORDERS, STOCK])

    await world.api.patch(path, json={"scopes": {}}, headers=admin.headers)

    assert await read_scope(world, admin, both) == ["orders:read"]
    assert await generation_of(world, both["id"]) == 1  # tokens for the other one may tell it
