"""`keyfob clients` and `keyfob resources`: programs and APIs without the admin API."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.cli.conftest import Run
from tests.fixtures.world import World

from keyfob.clients.service import Clients

Sql = Callable[..., list[Any]]
InWorld = Callable[..., Any]
ORDERS = "https://orders.example.com"


def add_orders(keyfob: Run) -> str:
    scopes = ("--scope", "orders:read", "--scope", "orders:write")
    made = keyfob("resources", "create", ORDERS, "--name", "Orders", *scopes, "--json").json
    return str(made["id"])


def add_client(keyfob: Run) -> dict[str, Any]:
    options = ("--resource", ORDERS, "--scope", "orders:read", "--json")
    made: dict[str, Any] = keyfob("clients", "create", "Reports", *options).json
    return made


def is_found(in_world: InWorld, client_id: str, secret: str) -> bool:
    async def story(world: World) -> bool:
        clients = world.service(Clients)
        return await clients.find_by_secret(UUID(client_id), secret) is not None

    found: bool = in_world(story)
    return found


def test_a_program_is_registered_with_a_secret_and_removed(keyfob: Run, in_world: InWorld) -> None:
    resource_id = add_orders(keyfob)
    made = add_client(keyfob)
    assert is_found(in_world, made["id"], made["client_secret"])

    [listed] = keyfob("clients", "list", "--json").json
    [resource] = keyfob("resources", "list", "--json").json
    assert (listed["id"], listed["scope"], listed["disabled"]) == (
        made["id"],
        "orders:read",
        False,
    )
    assert (resource["id"], resource["scopes"]) == (resource_id, "orders:read orders:write")

    assert keyfob("clients", "delete", made["id"]).out == f"Removed {made['id']}.\n"
    assert keyfob("resources", "delete", resource_id).code == 0
    assert keyfob("clients", "list", "--json").json == []
    assert keyfob("clients", "delete", made["id"]).refusal == "Client not found"


def test_a_secret_is_rotated(keyfob: Run, in_world: InWorld) -> None:
    add_orders(keyfob)
    made = add_client(keyfob)
    added = keyfob("clients", "add-secret", made["id"], "--days", "90", "--json").json
    first, second = keyfob("clients", "secrets", made["id"], "--json").json
    assert (second["id"], first["expires_at"]) == (added["id"], None)
    assert second["expires_at"]

    assert keyfob("clients", "remove-secret", made["id"], first["id"]).code == 0

    assert not is_found(in_world, made["id"], made["client_secret"])
    assert is_found(in_world, made["id"], added["client_secret"])


def test_a_program_is_disabled_and_enabled(keyfob: Run, in_world: InWorld, sql: Sql) -> None:
    add_orders(keyfob)
    made = add_client(keyfob)

    assert keyfob("clients", "disable", made["id"]).out == f"Disabled {made['id']}.\n"
    assert not is_found(in_world, made["id"], made["client_secret"])
    assert keyfob("clients", "enable", made["id"]).out == f"Enabled {made['id']}.\n"
    assert is_found(in_world, made["id"], made["client_secret"])
    assert sql("SELECT generation FROM clients") == [(1,)]


def test_what_does_not_fit_is_refused_in_one_line(keyfob: Run) -> None:
    refused = keyfob("clients", "create", "Reports", "--resource", ORDERS).refusal
    no_uri = keyfob("resources", "create", "orders", "--name", "Orders").refusal
    too_long = keyfob("clients", "create", "Reports", "--ttl", "4000").refusal

    assert refused == "One of the resources is not registered"
    assert no_uri == "identifier: Value error, should be an absolute URI without fragment"
    assert too_long == "access_token_ttl: Input should be less than or equal to 3600"
