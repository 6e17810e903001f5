"""Lines 54 to 59 of the abuse list: programs that call, and tokens that they show."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.hostile import claims_of, each_change, forge, header_of, hs256, unsigned
from tests.fixtures.logs import captured_log
from tests.fixtures.programs import (
    BILLING,
    ORDERS,
    Program,
    make_program,
    make_resource,
    own_api,
)
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import SignedIn, World

from keyfob.accounts.changes import Changes
from keyfob.administration.authority import Actor
from keyfob.administration.clients import ClientAdministration
from keyfob.administration.service import Administration
from keyfob.authority.models import Role
from keyfob.clients.models import ClientChange, Grant
from keyfob.clients.service import Clients
from keyfob.core.secrets import new_id
from keyfob.settings import Settings

INACTIVE = {"active": False}
PARAMETERS = ("grant_type", "client_id", "client_secret", "scope", "token", "token_type_hint")
SECRETS = ("client_secret", "client_assertion", "code", "access_token", "refresh_token", "token")


@pytest.fixture
async def program(world: World) -> Program:
    await make_resource(world)
    return await make_program(world)


@pytest.fixture
async def gateway(world: World) -> Program:
    """A client for which our own sign-ins are meant."""
    return await make_program(world, scope=[], resources=[own_api(world)])


async def test_54_each_parameter_stands_once_and_no_secret_in_an_address(
    world: World, program: Program
) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    with captured_log() as log:
        for path in ("token", "introspect", "revoke"):
            url = f"/oauth2/{path}"
            for name in PARAMETERS:
                once = f"{name}=planted"
                for query, body in (("", f"{once}&{once}"), (f"?{once}", once)):
                    answer = await world.api.post(url + query, content=body, headers=kind)
                    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
            for name in SECRETS:
                answer = await world.api.post(f"{url}?{name}=planted", headers=kind)
                assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    assert "planted" not in log.getvalue()


async def test_55_a_client_gets_what_it_is_registered_for_alone(world: World) -> None:
    await make_resource(world)
    await make_resource(world, BILLING, ["bills:read"])
    exchanges = await make_program(world, grants=[Grant.TOKEN_EXCHANGE])
    program = await make_program(world, scope=["orders:read"], resources=[ORDERS])

    refusals = {
        "unauthorized_client": await exchanges.ask_token(),
        "invalid_scope": await program.ask_token(scope="orders:read bills:read"),
        "invalid_target": await program.ask_token(resource=BILLING),
        "unsupported_grant_type": await program.ask("token", grant_type="password"),
        "invalid_client": await world.api.post(
            "/oauth2/token",
            data={
                "grant_type": "client_credentials",
                "client_id": str(program.id),
                "client_secret": program.secret,
            },
        ),
    }

    assert {answer.json()["error"] for answer in refusals.values()} == set(refusals)
    assert {name for name, answer in refusals.items() if answer.json()["error"] != name} == set()


async def test_56_a_forged_or_mangled_token_is_inactive(
    gateway: Program, program: Program, ada: SignedIn
) -> None:
    for client, token in ((gateway, ada.access), (program, await program.get_token())):
        assert (await client.introspect(token))["active"] is True
        header, claims = header_of(token), claims_of(token)
        for alg, sign in (("none", unsigned), ("HS256", hs256(b"")), ("EdDSA", hs256(b"x"))):
            forged = forge({**header, "alg": alg}, claims, sign)
            assert await client.introspect(forged) == INACTIVE
        for more in ({"jku": "https://evil.example"}, {"crit": ["x"], "x": 1}, {"typ": "JWT"}):
            forged = forge({**header, **more}, claims, hs256(b"x"))
            assert await client.introspect(forged) == INACTIVE
        for cut in (80, len(token) // 2, len(token) - 1):
            assert await client.introspect(token[:cut]) == INACTIVE
        for changed in list(each_change(token))[::7]:
            assert await client.introspect(changed) == INACTIVE


async def take_role(world: World, ada: SignedIn, program: Program) -> None:
    user_id = UUID((await world.me(ada)).json()["id"])
    await world.service(Administration).change(Actor(None), user_id, Changes(role=Role.MODERATOR))


async def remove_secret(world: World, ada: SignedIn, program: Program) -> None:
    administration = world.service(ClientAdministration)
    (secret,) = await administration.list_secrets(program.id)
    await administration.remove_secret(Actor(None), program.id, secret.id)


async def disable(world: World, ada: SignedIn, program: Program) -> None:
    changes = ClientChange(disabled=True)
    await world.service(ClientAdministration).change(Actor(None), program.id, changes)


async def delete(world: World, ada: SignedIn, program: Program) -> None:
    await world.service(ClientAdministration).delete(Actor(None), program.id)


async def delete_account(world: World, ada: SignedIn, program: Program) -> None:
    user_id = UUID((await world.me(ada)).json()["id"])
    await world.service(Administration).delete(Actor(None), user_id)


@pytest.mark.parametrize("cause", [take_role, delete_account, remove_secret, disable, delete])
async def test_56_whatever_kills_a_token_introspection_tells_on_every_worker(
    settings: Settings,
    clock: MovableClock,
    world: World,
    gateway: Program,
    program: Program,
    ada: SignedIn,
    cause: Any,
) -> None:
    is_of_user = cause in {take_role, delete_account}
    client = gateway if is_of_user else await make_program(world, scope=[])
    token = ada.access if is_of_user else await program.get_token()
    async with World(settings, clock) as other:
        for worker in (world, other):
            assert (await client.introspect(token, by=worker))["active"] is True

        await cause(world, ada, program)

        assert await client.introspect(token) == INACTIVE
        async with asyncio.timeout(10):
            while await client.introspect(token, by=other) != INACTIVE:  # noqa: ASYNC110 - its own
                await asyncio.sleep(0.005)


async def test_57_no_client_learns_of_or_ends_what_is_not_meant_for_it(
    world: World, gateway: Program, program: Program, ada: SignedIn
) -> None:
    token = await program.get_token()
    for client, shown in ((program, ada.access), (program, ada.refresh), (gateway, token)):
        assert await client.introspect(shown) == INACTIVE
        answer = await client.revoke(shown)
        assert (answer.status_code, answer.json()) == (200, {})  # as of one that never was

    assert (await world.me(ada)).status_code == 200
    assert (await world.refresh(ada.refresh)).status_code == 200
    assert (await program.introspect(token))["active"] is True


async def test_58_wrong_secrets_by_the_thousand_cost_no_query_and_stop_no_client(
    settings: Settings, clock: MovableClock
) -> None:
    limits = {"limits": "on", "limit_client_failures": "20/minute"}
    async with World(settings.model_copy(update=limits), clock) as world:
        await make_resource(world)
        program = await make_program(world)
        assert (await program.ask_token()).status_code == 200
        wrong = world.service(Clients).secrets.make().text
        form = {"grant_type": "client_credentials"}
        with recorded_statements() as statements:
            for _ in range(10):
                named = [str(new_id(clock.now())) for _ in range(50)]
                calls = [(one, wrong) for one in (*named, str(program.id))]
                await asyncio.gather(
                    *(world.api.post("/oauth2/token", data=form, auth=one) for one in calls)
                )

        # Those of the first fifty, which ran at once, and none beyond.
        assert len(statements) <= 110
        assert (await program.ask_token()).status_code == 200
        clock.advance(seconds=30)
        await program.change(name="Renamed", revokes=False)
        await asyncio.gather(
            *(world.api.post("/oauth2/token", data=form, auth=one) for one in calls)
        )
        assert (await program.ask_token()).status_code == 200


async def test_59_what_is_said_of_the_service_comes_from_no_request(world: World) -> None:
    hostile = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Origin": "null"}
    for name in ("oauth-authorization-server", "oauth-protected-resource", "openid-configuration"):
        for place in (name, f"{name}/auth"):
            answer = await world.api.get(f"/.well-known/{place}", headers=hostile)
            assert answer.status_code == 200
            assert "evil" not in answer.text + str(answer.headers)
    refused = await world.api.get("/me", headers=hostile)
    assert "evil" not in refused.headers["www-authenticate"]
