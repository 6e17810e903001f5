"""What a token that was exchanged ends with, and who acts by it."""

from datetime import timedelta

import pytest
from tests.admin.test_further_roles import define, give
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import (
    BILLING,
    ORDERS,
    Program,
    make_program,
    make_resource,
    own_api,
)
from tests.fixtures.world import World
from tests.oauth.test_token_exchange import claims_of, exchange, exchanged, make_key

from keyfob.clients.models import Grant
from keyfob.clients.service import Clients
from keyfob.settings import Settings


@pytest.fixture
async def gateway(world: World) -> Program:
    """The API of orders, which may ask for tokens for that of bills."""
    await make_resource(world)
    await make_resource(world, BILLING, ["bills:read", "orders:read"])
    return await make_program(
        world,
        grants=[Grant.TOKEN_EXCHANGE],
        scope=["orders:read"],
        resources=[ORDERS, BILLING, own_api(world)],
    )


async def scope_at(gateway: Program, token: str) -> str | None:
    """Return the scope that an introspection tells; None of what is not active."""
    told = await gateway.introspect(token)
    scope: str | None = told.get("scope")
    return scope if told["active"] else None


async def test_no_exchange_outlives_the_secret_of_its_client(
    world: World, gateway: Program, clock: MovableClock
) -> None:
    subject = await (await make_program(world)).get_token()
    async with world.db.begin() as tx:
        ends = clock.now() + timedelta(seconds=10)
        _, made = await world.service(Clients).add_secret(tx, gateway.id, ends)
    by_new = Program(world, gateway.id, made.text)

    answer = await exchange(by_new, subject, resource=BILLING)

    assert answer.json()["expires_in"] == 10


async def test_what_the_definition_of_a_role_loses_is_in_no_token_any_more(
    world: World, gateway: Program
) -> None:
    """Threat: an operator empties a role that is being abused, and its scopes work on."""
    admin = await world.make_admin()
    await define(world, admin, "clerk", "orders:read")
    assert (await give(world, admin, await world.make_user(), "clerk")).status_code == 201
    ada = await world.log_in()
    _, key = await make_key(world, ada, "orders:read")
    of_key = await exchanged(gateway, key, resource=BILLING)
    of_sign_in = await exchanged(gateway, ada.access, resource=BILLING)
    shown = [ada.access, of_key, of_sign_in]
    before = [await scope_at(gateway, token) for token in shown]

    await world.api.patch("/admin/roles/clerk", json={"permissions": []}, headers=admin.headers)

    assert before == ["account orders:read", "orders:read", "orders:read"]
    assert [await scope_at(gateway, token) for token in shown] == ["account", None, ""]
    again = await exchange(gateway, ada.access, resource=BILLING)
    assert (again.status_code, again.json().get("scope")) == (200, None)
    assert (await exchange(gateway, of_key, resource=BILLING)).status_code == 400


class TestWithoutTheFactor:
    """Where a role requires a second factor."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"require_mfa_for": ["admin"]})

    async def test_a_sign_in_that_we_refuse_is_not_active_to_others(
        self, world: World, gateway: Program
    ) -> None:
        """Threat: a thief of a password is an administrator at each service that asks us."""
        admin = await world.make_admin()
        assert (await world.api.get("/admin/users", headers=admin.headers)).status_code == 403

        assert await gateway.introspect(admin.access) == {"active": False}

        await gateway.revoke(admin.access)
        assert (await world.me(admin)).status_code == 401


async def test_a_token_tells_who_acts_for_whom(world: World, gateway: Program) -> None:
    """RFC 8693 section 4.1: the present actor is outermost, and earlier ones are within."""
    further = await make_program(
        world, grants=(Grant.TOKEN_EXCHANGE,), scope=("orders:read",), resources=(BILLING,)
    )
    plain = await (await make_program(world)).get_token()

    first = await exchanged(gateway, plain, resource=BILLING)
    again = await exchanged(gateway, first, resource=BILLING)
    second = await exchanged(further, first, resource=BILLING)

    acts = {"sub": str(gateway.id)}
    assert "act" not in claims_of(plain)
    assert claims_of(first)["act"] == claims_of(again)["act"] == acts
    assert claims_of(second)["act"] == {"sub": str(further.id), "act": acts}
    assert claims_of(second)["sub"] == claims_of(plain)["sub"]
    assert (await further.introspect(second))["act"] == claims_of(second)["act"]


async def test_a_client_acts_for_nobody_by_its_own_token_unless_another_has_for_it(
    world: World, gateway: Program
) -> None:
    """Threat: what a client does itself is taken for the deed of who acted for it before."""
    grants = (Grant.CLIENT_CREDENTIALS, Grant.TOKEN_EXCHANGE)
    reports = await make_program(
        world, grants=grants, scope=("orders:read",), resources=(ORDERS, BILLING)
    )
    plain = await reports.get_token(resource=ORDERS)

    own = await exchanged(reports, plain, resource=BILLING)
    by_gateway = await exchanged(gateway, plain, resource=BILLING)
    again = await exchanged(reports, by_gateway, resource=ORDERS)

    acted = {"sub": str(gateway.id)}
    assert claims_of(own)["sub"] == claims_of(again)["sub"] == str(reports.id)
    assert "act" not in claims_of(own)
    assert claims_of(again)["act"] == {"sub": str(reports.id), "act": acted}
