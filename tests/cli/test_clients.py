"""`keyfob clients` and `keyfob resources`: programs and APIs without the admin API."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.cli.conftest import Run
from tests.fixtures.assertions import public_jwk
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

    assert keyfob("resources", "delete", resource_id).refusal == (
        "Clients have this resource; take it away from them first (1 in all)"
    )
    assert keyfob("clients", "delete", made["id"]).out == f"Removed {made['id']}.\n"
    assert keyfob("resources", "delete", resource_id).code == 0
    assert keyfob("clients", "list", "--json").json == []
    assert keyfob("clients", "delete", made["id"]).refusal == (
        "Client not found; `keyfob clients list` shows the ids"
    )


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

    assert keyfob("clients", "disable", made["id"]).out == (
        "Disabled Reports. Its access tokens have ended.\n"
    )
    assert not is_found(in_world, made["id"], made["client_secret"])
    assert keyfob("clients", "enable", made["id"]).out == "Enabled Reports.\n"
    assert is_found(in_world, made["id"], made["client_secret"])
    assert sql("SELECT generation FROM clients") == [(1,)]


def test_a_program_is_changed_as_by_the_admin_api(keyfob: Run, in_world: InWorld, sql: Sql) -> None:
    add_orders(keyfob)
    made = add_client(keyfob)

    named = keyfob("clients", "change", made["id"], "--name", "Reporting", "--ttl", "600")
    assert named.out == "Changed Reporting.\n"
    assert sql("SELECT generation FROM clients") == [(0,)]

    more = ("--scope", "orders:read", "--scope", "orders:write")
    scoped = keyfob("clients", "change", made["id"], *more, "--json").json
    assert (scoped["scope"], scoped["access_token_ttl"]) == ("orders:read orders:write", 600)
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    granted = keyfob("clients", "change", made["id"], "--grant", exchange)
    assert granted.out == "Changed Reporting. Its access tokens have ended.\n"
    bare = keyfob("clients", "change", made["id"], "--no-scope", "--no-resource", "--json").json
    assert (bare["scope"], bare["resources"], bare["grants"]) == ("", "", exchange)
    assert sql("SELECT generation FROM clients") == [(3,)]
    told = sql("SELECT new_values FROM audit_events WHERE action = 'client.changed' ORDER BY 1")
    assert len(told) == 4
    assert is_found(in_world, made["id"], made["client_secret"])


def test_a_program_that_signs_has_keys_and_no_secret(keyfob: Run, sql: Sql, tmp_path: Path) -> None:
    jwks = tmp_path / "keys.json"
    jwks.write_text(json.dumps({"keys": [public_jwk("EdDSA", "one")]}))
    signs = ("--method", "private_key_jwt")

    made = keyfob("clients", "create", "Reports", *signs, "--jwks", str(jwks), "--json").json
    assert (made["auth_method"], "client_secret" in made) == ("private_key_jwt", False)

    published = ("--jwks-uri", "https://reports.example.com/keys")
    assert keyfob("clients", "change", made["id"], *signs, *published).code == 0
    assert sql("SELECT jwks, jwks_uri, generation FROM clients") == [(None, published[1], 1)]
    assert keyfob("clients", "change", made["id"], *published).code == 0
    alone = keyfob("clients", "change", made["id"], *signs).refusal
    assert alone.endswith("one of jwks and jwks_uri comes with auth_method private_key_jwt")
    jwks.write_text("{")
    assert keyfob("clients", "change", made["id"], *signs, "--jwks", str(jwks)).refusal == (
        f"{jwks}: is not JSON"
    )


def test_changes_that_say_nothing_or_two_things_are_wrong_usage(keyfob: Run) -> None:
    made = keyfob("clients", "create", "Reports", "--json").json

    nothing = keyfob("clients", "change", made["id"])
    both = keyfob("clients", "change", made["id"], "--scope", "orders:read", "--no-scope")

    assert (nothing.code, both.code) == (2, 2)
    assert "say what to change" in nothing.err
    assert "choose one of --scope and --no-scope" in both.err


def test_an_api_is_changed_and_keeps_the_descriptions_of_scopes_that_stay(
    keyfob: Run, sql: Sql
) -> None:
    resource_id = add_orders(keyfob)
    sql("""UPDATE resources SET scopes = '{"orders:read": {"en": "Read orders"}, "old": {}}'""")

    said = keyfob("resources", "change", resource_id, "--name", "Sales", "--ttl", "600")
    changed = keyfob(
        *("resources", "change", resource_id, "--scope", "orders:read", "--scope", "orders:list"),
        "--json",
    )

    assert said.out == f"Changed {ORDERS}.\n"
    assert (changed.json["scopes"], changed.json["name"]) == ("orders:list orders:read", "Sales")
    [(scopes, ttl)] = sql("SELECT scopes::text, access_token_ttl FROM resources")
    assert json.loads(scopes) == {"orders:read": {"en": "Read orders"}, "orders:list": {}}
    assert ttl == 600
    assert keyfob("resources", "change", resource_id, "--no-scope").code == 0
    assert sql("SELECT scopes::text FROM resources") == [("{}",)]
    assert keyfob("resources", "change", resource_id).code == 2


def test_what_does_not_fit_is_refused_in_one_line(keyfob: Run) -> None:
    refused = keyfob("clients", "create", "Reports", "--resource", ORDERS).refusal
    no_uri = keyfob("resources", "create", "orders", "--name", "Orders").refusal
    too_long = keyfob("clients", "create", "Reports", "--ttl", "4000").refusal

    assert refused == (
        f"One of the resources is not registered: {ORDERS}; "
        "register it by `keyfob resources create`"
    )
    by_name = keyfob("clients", "add-secret", "Reports")
    assert (by_name.code, "keyfob clients list" in by_name.err) == (2, True)
    assert no_uri == "identifier: Value error, should be an absolute URI without fragment"
    assert too_long == "access_token_ttl: Input should be less than or equal to 3600"


def test_what_happens_at_a_sign_out_is_registered_and_removed(keyfob: Run, sql: Sql) -> None:
    back, after, hears = (f"https://app.example.com/{name}" for name in ("back", "bye", "hears"))
    app = ("--kind", "web", "--redirect-uri", back, "--post-logout-redirect-uri", after)
    near = (*app, "--backchannel-logout-uri", "https://localhost/")
    assert "KEYFOB_OUTBOUND_ALLOW" in keyfob("clients", "create", "Ledger", *near).refusal
    made = keyfob("clients", "create", "Ledger", *app, "--backchannel-logout-uri", hears, "--json")
    kept = "SELECT post_logout_redirect_uris, backchannel_logout_uri FROM clients"
    assert [tuple(row) for row in sql(kept)] == [([after], hears)]

    both = ("--backchannel-logout-uri", hears, "--no-backchannel-logout-uri")
    assert keyfob("clients", "change", made.json["id"], *both).code == 2
    gone = keyfob("clients", "change", made.json["id"], "--no-backchannel-logout-uri")

    assert gone.code == 0
    assert [tuple(row) for row in sql(kept)] == [([after], None)]


def test_a_profile_sets_what_it_asks_for_until_it_is_taken_off(keyfob: Run, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [public_jwk("ES256")]}))
    app = ("--kind", "web", "--redirect-uri", "https://bank.example.com/callback")
    signs = ("--profile", "fapi2", "--jwks", str(keys))

    made = keyfob("clients", "create", "Bank", *app, *signs, "--json").json
    held = keyfob("clients", "change", made["id"], "--no-dpop-bound")
    both = keyfob("clients", "change", made["id"], "--profile", "fapi2", "--no-profile")
    off = keyfob("clients", "change", made["id"], "--no-profile", "--no-dpop-bound", "--json").json

    assert (made["profile"], made["auth_method"]) == ("fapi2", "private_key_jwt")
    assert made["dpop_bound"] is True
    assert held.code == 1
    assert both.code == 2
    assert (off["profile"], off["dpop_bound"]) == (None, False)
