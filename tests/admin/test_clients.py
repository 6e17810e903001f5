"""Clients, their secrets and resources, as administrators and programs change them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.world import SignedIn, World, eventually

from keyfob.clients.service import Clients
from keyfob.sessions.revocations import Revocations
from keyfob.settings import Settings

ORDERS = "https://orders.example.com"
SCOPES = {"orders:read": {"en": "Read orders", "ru": "Читать заказы"}, "orders:write": {}}
SOMEBODY = "/admin/clients/00000000-0000-0000-0000-000000000001"


async def add_orders(world: World, admin: SignedIn) -> str:
    answer = await world.api.post(
        "/admin/resources",
        json={"identifier": ORDERS, "name": "Orders", "scopes": SCOPES},
        headers=admin.headers,
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def add_client(world: World, admin: SignedIn, **given: Any) -> dict[str, Any]:
    asked = {"name": "Reports", "scope": ["orders:read"], "resources": [ORDERS], **given}
    answer = await world.api.post("/admin/clients", json=asked, headers=admin.headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["location"].endswith(made["id"])
    return made


async def add_secret(world: World, admin: SignedIn, client_id: str, **given: Any) -> httpx.Response:
    return await world.api.post(
        f"/admin/clients/{client_id}/secrets", json=given, headers=admin.headers
    )


async def generation_of(world: World, client_id: str) -> int:
    return int(
        await world.db.fetchval("SELECT generation FROM clients WHERE id = $1", UUID(client_id))
    )


async def actions(world: World) -> list[str]:
    rows = await world.db.fetch("SELECT action FROM audit_events ORDER BY position")
    return [row[0] for row in rows if row[0].split(".")[0] in {"client", "resource"}]


async def test_a_client_is_registered_read_listed_and_removed(
    world: World, admin: SignedIn
) -> None:
    await add_orders(world, admin)
    made = await add_client(world, admin, access_token_ttl=600)

    path = f"/admin/clients/{made['id']}"
    read = await world.api.get(path, headers=admin.headers)
    listed = await world.api.get("/admin/clients", headers=admin.headers)
    assert read.json() == made
    assert listed.json() == [made]
    assert (made["kind"], made["grants"]) == ("service", ["client_credentials"])

    gone = await world.api.delete(path, headers=admin.headers)

    assert gone.status_code == 204
    assert (await world.api.get(path, headers=admin.headers)).json()["code"] == "client_not_found"
    assert world.service(Revocations).kills(UUID(made["id"]), 0)
    assert await actions(world) == ["resource.created", "client.created", "client.deleted"]


async def test_a_secret_is_shown_once_and_two_are_valid_at_a_time(
    world: World, admin: SignedIn
) -> None:
    await add_orders(world, admin)
    client_id = (await add_client(world, admin))["id"]

    first = (await add_secret(world, admin, client_id)).json()
    second = (await add_secret(world, admin, client_id)).json()
    third = await add_secret(world, admin, client_id)
    listed = await world.api.get(f"/admin/clients/{client_id}/secrets", headers=admin.headers)

    assert third.json()["code"] == "too_many_secrets"
    assert {secret["id"] for secret in listed.json()} == {first["id"], second["id"]}
    assert first["client_secret"] not in listed.text
    clients = world.service(Clients)
    for secret in (first, second):
        assert await clients.find_by_secret(UUID(client_id), secret["client_secret"])
    await clients.write_uses()
    again = await world.api.get(f"/admin/clients/{client_id}/secrets", headers=admin.headers)
    assert all(secret["last_used_at"] for secret in again.json())


async def test_a_secret_that_is_removed_is_of_nobody_and_ends_all_tokens(
    world: World, admin: SignedIn
) -> None:
    await add_orders(world, admin)
    client_id = (await add_client(world, admin))["id"]
    secret = (await add_secret(world, admin, client_id)).json()
    clients = world.service(Clients)
    assert await clients.find_by_secret(UUID(client_id), secret["client_secret"])

    path = f"/admin/clients/{client_id}/secrets/{secret['id']}"
    removed = await world.api.delete(path, headers=admin.headers)

    assert removed.status_code == 204
    assert await clients.find_by_secret(UUID(client_id), secret["client_secret"]) is None
    assert await generation_of(world, client_id) == 1
    assert world.service(Revocations).kills(UUID(client_id), 0)
    assert (await world.api.delete(path, headers=admin.headers)).json()["code"] == (
        "secret_not_found"
    )


async def test_a_secret_needs_no_body(world: World, admin: SignedIn) -> None:
    await add_orders(world, admin)
    path = f"/admin/clients/{(await add_client(world, admin))['id']}/secrets"

    made = await world.api.post(path, headers=admin.headers)

    assert (made.status_code, made.json()["expires_at"]) == (201, None)


async def test_a_secret_that_has_ended_is_of_nobody(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    await add_orders(world, admin)
    client_id = (await add_client(world, admin))["id"]
    ends = (clock.now() + timedelta(seconds=2)).isoformat()
    secret = (await add_secret(world, admin, client_id, expires_at=ends)).json()
    clients = world.service(Clients)
    assert await clients.find_by_secret(UUID(client_id), secret["client_secret"])

    clock.advance(seconds=2)

    assert await clients.find_by_secret(UUID(client_id), secret["client_secret"]) is None
    listed = await world.api.get(f"/admin/clients/{client_id}/secrets", headers=admin.headers)
    assert listed.json() == []


@pytest.mark.parametrize("ends", ["9999-12-31T23:59:59-14:00", "2020-01-01T00:00:00Z"])
async def test_a_secret_has_an_end_to_come(world: World, admin: SignedIn, ends: str) -> None:
    await add_orders(world, admin)
    client_id = (await add_client(world, admin))["id"]

    assert (await add_secret(world, admin, client_id, expires_at=ends)).status_code == 422


@pytest.mark.parametrize(
    ("changes", "revokes"),
    [
        ({"name": "Nightly"}, False),
        ({"access_token_ttl": 60}, False),
        ({"scope": []}, True),
        ({"resources": [], "scope": []}, True),
        ({"grants": ["urn:ietf:params:oauth:grant-type:token-exchange"]}, True),
        ({"auth_method": "client_secret_post"}, True),
        ({"disabled": True}, True),
        ({}, False),
    ],
    ids=str,
)
async def test_what_takes_something_from_a_client_ends_its_tokens(
    world: World, admin: SignedIn, changes: dict[str, Any], *, revokes: bool
) -> None:
    await add_orders(world, admin)
    client_id = (await add_client(world, admin))["id"]

    answer = await world.api.patch(
        f"/admin/clients/{client_id}", json=changes, headers=admin.headers
    )

    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in changes} == changes
    assert await generation_of(world, client_id) == int(revokes)
    assert world.service(Revocations).kills(UUID(client_id), 0) is revokes


async def test_a_disabled_client_is_found_by_no_secret_until_it_is_enabled(
    world: World, admin: SignedIn
) -> None:
    await add_orders(world, admin)
    client_id = (await add_client(world, admin))["id"]
    text = (await add_secret(world, admin, client_id)).json()["client_secret"]
    clients, path = world.service(Clients), f"/admin/clients/{client_id}"

    await world.api.patch(path, json={"disabled": True}, headers=admin.headers)
    assert await clients.find_by_secret(UUID(client_id), text) is None

    await world.api.patch(path, json={"disabled": False}, headers=admin.headers)
    assert await clients.find_by_secret(UUID(client_id), text)


async def test_another_worker_forgets_what_was_taken_away_at_once(
    world: World, admin: SignedIn, settings: Settings, clock: MovableClock
) -> None:
    await add_orders(world, admin)
    client_id = (await add_client(world, admin))["id"]
    secret = (await add_secret(world, admin, client_id)).json()
    async with World(settings, clock) as other:
        clients = other.service(Clients)
        assert await clients.find_by_secret(UUID(client_id), secret["client_secret"])

        path = f"/admin/clients/{client_id}/secrets/{secret['id']}"
        await world.api.delete(path, headers=admin.headers)
        await eventually(lambda: other.service(Revocations).kills(UUID(client_id), 0))

        assert await clients.find_by_secret(UUID(client_id), secret["client_secret"]) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "web"},
        {"grants": []},
        {"grants": ["password"]},
        {"scope": ["orders:read", "orders:read"]},
        {"scope": ["Orders Read"]},
        {"access_token_ttl": 59},
        {"access_token_ttl": 3601},
        {"auth_method": "none"},
        {"auth_method": "private_key_jwt"},
        {"jwks": {"keys": [{"kty": "OKP"}]}},
        {"auth_method": "private_key_jwt", "jwks": {"keys": []}},
        {"auth_method": "private_key_jwt", "jwks": {"keys": [{"kty": "OKP", "d": "x"}]}},
        {"auth_method": "private_key_jwt", "jwks_uri": "http://client.example/jwks"},
        {"auth_method": "private_key_jwt", "jwks_uri": "https://user@client.example/jwks"},
        {"name": "a\nb"},
        {"client_secret": "mine"},
    ],
    ids=str,
)
async def test_what_does_not_fit_registers_nothing(
    world: World, admin: SignedIn, wrong: dict[str, Any]
) -> None:
    asked = {"name": "Reports", **wrong}

    answer = await world.api.post("/admin/clients", json=asked, headers=admin.headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert await world.db.fetchval("SELECT count(*) FROM clients") == 0


@pytest.mark.parametrize(
    ("asked", "code", "unknown"),
    [
        ({"resources": [ORDERS, "https://a.example"]}, "unknown_resource", "https://a.example"),
        (
            {"resources": [ORDERS], "scope": ["orders:read", "invoices:read"]},
            "unknown_scope",
            "invoices:read",
        ),
        ({"scope": ["orders:read"]}, "unknown_scope", "orders:read"),
        ({"resources": [ORDERS], "scope": ["users:read"]}, "unknown_scope", "users:read"),
    ],
)
async def test_a_client_has_only_scopes_that_its_resources_offer(
    world: World, admin: SignedIn, asked: dict[str, Any], code: str, unknown: str
) -> None:
    await add_orders(world, admin)

    answer = await world.api.post(
        "/admin/clients", json={"name": "Reports", **asked}, headers=admin.headers
    )

    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert answer.json()["unknown"] == [unknown]


@pytest.mark.parametrize(
    ("identifier", "status"),
    [
        ("https://orders.example.com", 409),
        ("urn:example:orders", 201),
        ("orders", 422),
        ("https://orders.example.com#top", 422),
        ("https://orders.example.com/a b", 422),
        ("https://заказы.example", 422),
        ("", 422),
    ],
)
async def test_a_resource_has_an_absolute_uri_of_its_own(
    world: World, admin: SignedIn, identifier: str, status: int
) -> None:
    await add_orders(world, admin)

    answer = await world.api.post(
        "/admin/resources", json={"identifier": identifier, "name": "X"}, headers=admin.headers
    )

    assert answer.status_code == status


async def test_no_resource_is_keyfob_s_own(
    world: World, admin: SignedIn, settings: Settings
) -> None:
    asked = {"identifier": settings.issuer_url, "name": "X"}

    answer = await world.api.post("/admin/resources", json=asked, headers=admin.headers)

    assert answer.json()["code"] == "resource_taken"


async def test_a_resource_is_changed_and_removed(world: World, admin: SignedIn) -> None:
    path = f"/admin/resources/{await add_orders(world, admin)}"

    changed = await world.api.patch(
        path, json={"scopes": {"orders:read": {}}, "access_token_ttl": 60}, headers=admin.headers
    )
    cleared = await world.api.patch(path, json={"access_token_ttl": None}, headers=admin.headers)
    gone = await world.api.delete(path, headers=admin.headers)

    assert (changed.json()["scopes"], changed.json()["access_token_ttl"]) == (
        {"orders:read": {}},
        60,
    )
    assert (cleared.json()["name"], cleared.json()["access_token_ttl"]) == ("Orders", None)
    assert gone.status_code == 204
    assert (await world.api.get("/admin/resources", headers=admin.headers)).json() == []
    assert (await world.api.delete(path, headers=admin.headers)).status_code == 404


WRITES = [
    ("POST", "/admin/clients", {"name": "X"}),
    ("PATCH", SOMEBODY, {"name": "X"}),
    ("DELETE", SOMEBODY, None),
    ("POST", f"{SOMEBODY}/secrets", {}),
    ("DELETE", f"{SOMEBODY}/secrets/{SOMEBODY[-36:]}", None),
    ("POST", "/admin/resources", {"identifier": ORDERS, "name": "X"}),
    ("PATCH", f"/admin/resources/{SOMEBODY[-36:]}", {"name": "X"}),
    ("DELETE", f"/admin/resources/{SOMEBODY[-36:]}", None),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
async def test_every_change_of_clients_needs_a_recent_sign_in(
    world: World, admin: SignedIn, clock: MovableClock, method: str, path: str, body: Any
) -> None:
    clock.advance(seconds=301)
    fresh = SignedIn.of(await world.api.post("/refresh", json={"refresh_token": admin.refresh}))

    answer = await world.api.request(method, path, json=body, headers=fresh.headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "insufficient_user_authentication")


async def test_a_registered_permission_must_be_one_s_own(world: World) -> None:
    """Whoever may write clients alone makes none that may do more, and changes none that may."""
    await world.db.execute(
        "INSERT INTO roles VALUES ('registrar', '{clients:read,clients:write}', now(), now())"
    )
    user_id = await world.make_user("eve@example.com")
    await world.db.execute(
        "INSERT INTO user_roles (user_id, role, given_at) VALUES ($1, 'registrar', now())", user_id
    )
    await world.reload_roles()
    eve, admin = await world.log_in("eve@example.com"), await world.make_admin()
    issuer = world.app.state.settings.issuer_url
    mighty = await add_client(world, admin, resources=[issuer], scope=["users:write"])

    asked = {"name": "X", "resources": [issuer], "scope": ["users:write"]}
    made = await world.api.post("/admin/clients", json=asked, headers=eve.headers)
    changed = await world.api.patch(
        f"/admin/clients/{mighty['id']}", json={"name": "X"}, headers=eve.headers
    )
    secret = await add_secret(world, eve, mighty["id"])
    own = await world.api.post(
        "/admin/clients", json={**asked, "scope": ["clients:read"]}, headers=eve.headers
    )

    assert [made.status_code, changed.status_code, secret.status_code] == [403] * 3
    assert own.status_code == 201
