"""What workers remember of clients: of strangers apart and not for ever, and what has changed."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.fixtures.apps import CALLBACK, make_app
from tests.fixtures.assertions import Signer, make_signer, public_jwk
from tests.fixtures.certificates import Certificate
from tests.fixtures.clock import MovableClock
from tests.fixtures.documents import app_of
from tests.fixtures.far_end import FarEnd, far_end
from tests.fixtures.programs import Program, make_program, make_resource
from tests.fixtures.statements import recorded_statements
from tests.fixtures.waiting import until
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.api_keys.service import ApiKeys
from keyfob.clients.models import RegisteredClient, Registrar
from keyfob.clients.service import Clients
from keyfob.core.clock import Clock
from keyfob.core.secrets import new_id
from keyfob.oauth.authentication import ClientAuthentication
from keyfob.oauth.client_assertions import AssertionProof
from keyfob.settings import Settings


@pytest.fixture
def settings(settings: Settings, certificate: Certificate) -> Settings:
    told = {
        "issuer": "http://localhost:8000/auth",
        "client_documents": True,
        "dynamic_registration": "open",
        "outbound_ca_file": certificate.path,
        "outbound_allow": ["127.0.0.1", "::1"],
    }
    return settings.model_copy(update=told)


async def register(world: World, **told: Any) -> dict[str, Any]:
    answer = await world.api.post("/oauth2/register", json={"redirect_uris": [CALLBACK], **told})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def costs(world: World, client_id: UUID) -> int:
    with recorded_statements() as statements:
        await world.service(Clients).find(client_id)
    return len(statements)


async def test_strangers_by_the_thousand_push_none_of_ours_out_of_memory(world: World) -> None:
    await make_resource(world)
    ours, clients = await make_program(world), world.service(Clients)
    assert await clients.find(ours.id) is not None
    ids = await world.db.fetch(
        """
        INSERT INTO clients (id, name, kind, grants, scope, resources, auth_method,
               access_token_ttl, created_at, updated_at, registered_by, kept_until)
        SELECT gen_random_uuid(), 'Notes', 'web', '{}', '{}', '{}', 'none', 300, now(), now(),
               'itself', now()
          FROM generate_series(1, 1001) RETURNING id
        """
    )
    clients_of_strangers = [row["id"] for row in ids]
    await clients.read_ids()
    for client_id in clients_of_strangers:
        assert await clients.find(client_id) is not None

    assert await costs(world, ours.id) == 0
    assert await costs(world, clients_of_strangers[-1]) == 0
    assert await costs(world, clients_of_strangers[0]) == 2


async def test_what_is_gone_is_forgotten_within_hours(world: World, clock: MovableClock) -> None:
    clients = world.service(Clients)
    gone = UUID((await register(world))["client_id"])
    assert await clients.find(gone) is not None
    await world.db.execute("DELETE FROM clients")
    clock.advance(hours=1, seconds=1)
    for _ in range(2):
        await clients.read_ids()

    for _ in range(20):
        assert await clients.find(new_id(clock.now())) is None
    assert await costs(world, gone) == 0
    assert await clients.find(gone, may_ask=False) is None


async def test_one_network_takes_no_turn_of_others_that_ask_for_new_clients(
    world: World, other: World
) -> None:
    clients = world.service(Clients)
    await clients.read_ids()
    app = await make_app(other, public=True)

    async def ask(address: str, client_id: str) -> str:
        form = {"grant_type": "authorization_code", "client_id": client_id, "code": "x"}
        answer = await world.client(address).post("/oauth2/token", data=form)
        told: str = answer.json()["error"]
        return told

    for _ in range(40):
        guess = str(new_id(world.service(Clock).now()))
        assert await ask("203.0.113.9", guess) == "invalid_client"

    assert await ask("198.51.100.9", str(app.id)) == "invalid_grant"


async def test_a_change_that_takes_nothing_away_is_heard_at_once(
    world: World, other: World
) -> None:
    app = await make_app(world)
    program, theirs = Program(world, app.id, ""), other.service(Clients)
    known = await theirs.find(app.id)
    assert known is not None
    assert known.client.require_par is False

    await program.change(revokes=False, require_par=True, redirect_uris=())

    async def is_heard() -> bool:
        found = await theirs.find(app.id)
        assert found is not None
        return (found.client.require_par, found.client.redirect_uris) == (True, ())

    await until(is_heard)


async def test_what_comes_back_after_its_deletion_has_none_of_its_grants(
    world: World, end: FarEnd
) -> None:
    await world.make_user(name="Ada")
    app, clients = app_of(world, end), world.service(Clients)
    async with signed_in(world) as browser:
        tokens = (await app.exchange(await app.code(browser), client_id=end.url)).json()
        async with world.db.begin() as tx:  # and no job that ends its grants
            client = await clients.lock(tx, app.id)
            assert client is not None
            await clients.remove(tx, client)
        await app.send(browser)

    refreshed = await app.refresh(tokens["refresh_token"], client_id=end.url)

    assert refreshed.json()["error"] == "invalid_grant"
    live = await world.db.fetchval("SELECT count(*) FROM sessions WHERE kind = 'app'")
    ended = "SELECT count(*) FROM sessions WHERE kind = 'app' AND ended_at IS NOT NULL"
    assert (live, await world.db.fetchval(ended)) == (1, 1)


@pytest.fixture
async def published(certificate: Certificate) -> AsyncIterator[FarEnd]:
    async with far_end(certificate.server_side) as keys:
        keys.body = json.dumps({"keys": [public_jwk("EdDSA", "one")]}).encode()
        yield keys


async def test_keys_of_strangers_push_off_no_keys_of_ours(world: World, published: FarEnd) -> None:
    await make_resource(world)
    signer = await make_signer(world, jwks_uri=published.url)
    assert (await signer.show(signer.sign())).status_code == 200
    proofs = world.service(ClientAuthentication).proofs.values()
    keys = next(one.keys for one in proofs if isinstance(one, AssertionProof))
    known = await world.service(Clients).get(world.db, signer.program.id)
    assert isinstance(known, RegisteredClient)
    stranger = known._replace(registered_by=Registrar.ITSELF, jwks=None, jwks_uri=None)
    for _ in range(1_001):
        one = stranger._replace(id=new_id(world.service(Clock).now()))
        assert await keys.find(one, "one", "EdDSA") is None

    assert (await signer.show(signer.sign())).status_code == 200
    assert len(published.asked) == 1


async def test_clients_of_strangers_that_sign_share_their_limit_before_a_row_is_written(
    settings: Settings, clock: MovableClock
) -> None:
    limits = {"limits": "on", "limit_client": "2/minute"}
    async with World(settings.model_copy(update=limits), clock) as world:
        codes = []
        for _ in range(4):
            made = await register(
                world,
                token_endpoint_auth_method="private_key_jwt",
                jwks={"keys": [public_jwk("EdDSA")]},
            )
            signer = Signer(Program(world, UUID(made["client_id"]), ""))
            answer = await signer.show(signer.sign(), grant_type="authorization_code", code="x")
            codes.append(answer.status_code)

        assert codes == [400, 400, 429, 429]
        assert await world.db.fetchval("SELECT count(*) FROM spent_ids") == 2


async def test_made_up_keys_that_are_revoked_are_counted_before_they_are_looked_for(
    settings: Settings, clock: MovableClock
) -> None:
    limits = {"limits": "on", "limit_revoke": "2/minute"}
    async with World(settings.model_copy(update=limits), clock) as world:
        await make_resource(world)
        program, keys = await make_program(world), world.service(ApiKeys)
        await program.revoke("x")
        with recorded_statements() as statements:
            codes = [(await program.revoke(keys.secrets.make().text)).status_code for _ in range(5)]
        assert codes == [200, 200, 429, 429, 429]
        assert 0 < len(statements) <= 4

        made = await register(world)
        auth = httpx.BasicAuth(made["client_id"], made["client_secret"])
        form = {"token": keys.secrets.make().text}
        await world.api.post("/oauth2/revoke", data=form, auth=auth)
        with recorded_statements() as statements:
            for path in ("revoke", "introspect"):
                answer = await world.api.post(f"/oauth2/{path}", data=form, auth=auth)
                assert answer.status_code == 200
        assert statements == []


async def test_the_audit_log_keeps_little_of_what_strangers_register(world: World) -> None:
    places = [f"https://{number}.example.com/{'x' * 400}" for number in range(9)]
    native = {"application_type": "native", "token_endpoint_auth_method": "none"}
    uris = ["com.example.app:/callback", *places]
    made = await register(world, redirect_uris=uris, **native)

    entry = (await world.audit_log())[-1]

    assert (entry["action"], str(entry["target_id"])) == ("client.registered", made["client_id"])
    told = entry["new_values"]
    assert told["hosts"] == ["com.example.app:", *[f"{one}.example.com" for one in range(4)]]
    assert told.keys() == {"name", "kind", "hosts"}
    assert len(json.dumps(told)) < 500
