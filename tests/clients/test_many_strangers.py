"""Apps of strangers by the thousand hold up no change of an API, nor its page."""

from uuid import UUID

import pytest
from tests.admin.test_clients import ORDERS, actions, add_client, add_orders
from tests.fixtures.clock import MovableClock
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import SignedIn, World
from tests.web.account_pages import signed_in, text_of

from keyfob.clients.models import RegisteredClient
from keyfob.clients.service import Clients
from keyfob.settings import Settings

STOCK = "https://stock.example.com"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    told = {"dynamic_registration": "open", "self_registered_resources": [ORDERS, STOCK]}
    return settings.model_copy(update=told)


@pytest.fixture
async def admin(world: World) -> SignedIn:
    return await world.make_admin()


async def add_strangers(world: World, user_id: UUID, amount: int, *resources: str) -> list[UUID]:
    """Let a user have allowed so many apps that registered themselves."""
    rows = await world.db.fetch(
        """
        WITH made AS (
            INSERT INTO clients (id, name, kind, grants, scope, resources, auth_method,
                   access_token_ttl, created_at, updated_at, redirect_uris, registered_by,
                   kept_until)
            SELECT gen_random_uuid(), 'Notes', 'web', '{authorization_code}',
                   '{orders:read,orders:write}', $2::text[], 'none', 300, now(), now(),
                   '{https://app.example.com/callback}', 'itself', now() + interval '90 days'
              FROM generate_series(1, $1) RETURNING id
        ), allowed AS (
            INSERT INTO consents (user_id, client_id, scope, audience, given_at)
            SELECT $3, id, '{}', $2, now() FROM made
        )
        SELECT id FROM made
        """,
        amount,
        list(resources),
        user_id,
    )
    return [row["id"] for row in rows]


async def find(world: World, client_id: UUID) -> RegisteredClient:
    found = await world.service(Clients).get(world.db, client_id)
    assert found is not None
    return found


async def test_a_scope_is_taken_from_all_of_them_by_a_few_statements(
    world: World, admin: SignedIn
) -> None:
    path = f"/admin/resources/{await add_orders(world, admin)}"
    ours = await add_client(world, admin, scope=["orders:read", "orders:write"])
    ada = await world.make_user()
    theirs = await add_strangers(world, ada, 300, ORDERS)
    assert await world.service(Clients).find(theirs[0]) is not None
    before = len(await actions(world))

    with recorded_statements() as statements:
        changed = await world.api.patch(
            path, json={"scopes": {"orders:read": {}}}, headers=admin.headers
        )

    assert changed.status_code == 200
    assert len(statements) < 40
    assert (await actions(world))[before:] == ["client.changed", "resource.changed"]
    told = (await world.audit_log())[-1]
    assert told["new_values"]["self_registered"] == 300
    assert told["old_values"]["scopes"] == ["orders:read", "orders:write"]
    known = await world.service(Clients).find(theirs[0])
    assert known is not None
    assert known.client.scope == ("orders:read",)
    for client_id in (UUID(ours["id"]), theirs[0], theirs[-1]):
        found = await find(world, client_id)
        assert (found.scope, found.generation) == (("orders:read",), 1)
    revoked = await world.db.fetchval("SELECT count(*) FROM revocations WHERE kind = 'client'")
    assert revoked == 301


async def test_it_stays_where_another_of_their_apis_has_it(world: World, admin: SignedIn) -> None:
    path = f"/admin/resources/{await add_orders(world, admin)}"
    asked = {"identifier": STOCK, "name": "Stock", "scopes": {"orders:write": {}}}
    await world.api.post("/admin/resources", json=asked, headers=admin.headers)
    ada = await world.make_user()
    [both] = await add_strangers(world, ada, 1, ORDERS, STOCK)
    [one] = await add_strangers(world, ada, 1, ORDERS)

    await world.api.patch(path, json={"scopes": {}}, headers=admin.headers)

    assert (await find(world, both)).scope == ("orders:write",)
    assert (await find(world, one)).scope == ()
    assert (await find(world, both)).generation == 1


async def test_the_page_of_an_api_counts_them_and_shows_ours_first(
    world: World, admin: SignedIn
) -> None:
    path = f"/console/resources/{await add_orders(world, admin)}"
    ada = await world.make_user()
    await add_strangers(world, ada, 50, ORDERS)
    await add_client(world, admin, name="Reports", scope=["orders:read"])

    async with signed_in(world, "root@example.com") as root:
        page = await root.get(path)

    words = text_of(page)
    assert "And 31 more." in words
    assert "51 programs have it" in words
    assert "50 programs have it" in words
    assert words.index("Reports") < words.index("Notes")
    assert page.text.count("/console/clients/") <= 25
    assert "1 program has it. Take it from the program first." in words


async def test_what_is_as_it_was_is_no_change(
    world: World, admin: SignedIn, clock: MovableClock
) -> None:
    path = f"/admin/resources/{await add_orders(world, admin)}"
    before = (await world.api.get("/admin/resources", headers=admin.headers)).json()
    clock.advance(seconds=1)

    same = await world.api.patch(path, json={"name": before[0]["name"]}, headers=admin.headers)

    assert same.json() == before[0]
    assert (await actions(world))[-1] == "resource.created"
