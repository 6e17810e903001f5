"""What clients register, sign and exchange: it reaches nothing behind us, and nothing more."""

import pytest
from tests.fixtures.assertions import make_signer, public_jwk
from tests.fixtures.certificates import make_certificate
from tests.fixtures.clock import MovableClock
from tests.fixtures.far_end import far_end
from tests.fixtures.programs import (
    BILLING,
    ORDERS,
    Program,
    give_role,
    make_program,
    make_resource,
    own_api,
)
from tests.fixtures.world import World

from keyfob.administration.authority import Actor
from keyfob.administration.roles import RoleAdministration
from keyfob.authority.roles import Roles
from keyfob.clients.models import Grant
from keyfob.settings import Settings

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
API_KEY = "urn:keyfob:token-type:api-key"


async def test_65_a_url_of_a_client_reaches_nothing_behind_the_firewall(
    settings: Settings, clock: MovableClock, tmp_path_factory: pytest.TempPathFactory
) -> None:
    certificate = make_certificate(tmp_path_factory.mktemp("behind"))
    trusting = settings.model_copy(update={"outbound_ca_file": certificate.path})
    async with World(trusting, clock) as world, far_end(certificate.server_side) as end:
        await make_resource(world)
        for host in (
            *("localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0", "[::1]"),
            *("[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "10.0.0.1", "169.254.169.254"),
        ):
            signer = await make_signer(world, jwks_uri=f"https://{host}:{end.port}/jwks.json")
            answer = await signer.show(signer.sign())
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
            assert host not in answer.text
        assert end.asked == []


async def test_66_an_assertion_counts_once_and_here_alone(
    world: World, settings: Settings, clock: MovableClock
) -> None:
    await make_resource(world)
    signer = await make_signer(world)
    here, elsewhere, now = own_api(world), "https://other.example.com", clock.timestamp()
    good = signer.sign()
    assert (await signer.show(good)).status_code == 200

    async with World(settings, clock) as other:
        for assertion in (
            good,
            signer.sign(aud=elsewhere),
            signer.sign(aud=[here, elsewhere]),
            signer.sign(aud=f"{here}/oauth2/token"),
            signer.sign(exp=now + 86_400),
            signer.sign(exp=now),
            signer.sign({"typ": "at+jwt"}),
            signer.sign({"jwk": public_jwk("ES256"), "kid": "two"}),
        ):
            for worker in (world, other):
                answer = await signer.show(assertion, by=worker)
                assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.fixture
async def caller(world: World) -> Program:
    await make_resource(world)
    await make_resource(world, BILLING, ["bills:read", "orders:read"])
    return await make_program(
        world,
        grants=[Grant.TOKEN_EXCHANGE],
        scope=["bills:read", "orders:read"],
        resources=[ORDERS, BILLING, own_api(world)],
    )


async def exchange(caller: Program, token: str, **form: str) -> tuple[int, dict[str, str]]:
    asked = {"grant_type": Grant.TOKEN_EXCHANGE, "subject_token_type": ACCESS_TOKEN, **form}
    answer = await caller.ask("token", subject_token=token, **asked)
    return answer.status_code, answer.json()


async def test_67_an_exchange_gives_nothing_that_the_subject_token_has_not(
    world: World, caller: Program, clock: MovableClock
) -> None:
    service = await make_program(world, scope=["orders:read"])
    token = await service.get_token()
    clock.advance(200)

    status, given = await exchange(caller, token, resource=BILLING)
    assert (status, given["scope"], given["expires_in"]) == (200, "orders:read", 100)
    for form, error in (
        ({"resource": BILLING, "scope": "bills:read"}, "invalid_scope"),
        ({"resource": own_api(world)}, "invalid_target"),
        ({"resource": "https://nobody.example.com"}, "invalid_target"),
        ({"resource": BILLING, "actor_token": token}, "invalid_request"),
    ):
        status, told = await exchange(caller, token, **form)
        assert (status, told["error"]) == (400, error)
    stranger = await make_program(
        world, grants=[Grant.TOKEN_EXCHANGE], scope=["orders:read"], resources=[BILLING]
    )
    status, told = await exchange(stranger, token)
    assert (status, told["error"]) == (400, "invalid_request")


async def test_68_an_exchanged_token_dies_with_all_that_it_rests_on(
    world: World, caller: Program, clock: MovableClock
) -> None:
    service = await make_program(world, scope=["orders:read"])
    bills = await make_program(world, scope=[], resources=[BILLING])
    for end in ("token", "subject", "caller"):
        token = await service.get_token()
        _, given = await exchange(caller, token, resource=BILLING)
        _, again = await exchange(caller, given["access_token"], resource=BILLING)
        tokens = [given["access_token"], again["access_token"]]
        assert all([(await bills.introspect(one))["active"] for one in tokens])
        if end == "token":
            await service.revoke(token)
        else:
            await (service if end == "subject" else caller).change(disabled_at=clock.now())
            await (service if end == "subject" else caller).change(disabled_at=None)
        assert not any([(await bills.introspect(one))["active"] for one in tokens])


@pytest.mark.parametrize("way", ["taken", "changed", "ended"])
async def test_61_an_api_key_has_no_scope_that_its_user_does_not_hold(
    world: World, clock: MovableClock, way: str
) -> None:
    await make_resource(world)
    await make_resource(world, BILLING, ["bills:read", "orders:read"])
    orders = await make_program(
        world, grants=[Grant.TOKEN_EXCHANGE], resources=[ORDERS, BILLING], scope=["orders:read"]
    )
    await world.make_user()
    ada = await world.log_in()
    body = {"name": "Mine", "scope": ["orders:read"]}
    refused = await world.api.post("/me/api-keys", json=body, headers=ada.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")

    user_id = await give_role(world, ada, "orders:read")
    made = await world.api.post("/me/api-keys", json=body, headers=(await world.log_in()).headers)
    key = made.json()["api_key"]
    shown = {"subject_token": key, "subject_token_type": API_KEY, "resource": BILLING}
    exchanged = await orders.ask("token", grant_type=Grant.TOKEN_EXCHANGE, **shown)
    assert (await orders.introspect(key))["scope"] == exchanged.json()["scope"] == "orders:read"

    if way == "ended":
        await world.db.execute("UPDATE user_roles SET expires_at = $1", clock.now())
        clock.advance(seconds=10)
    elif way == "changed":
        async with world.db.begin() as tx:
            await world.service(Roles).change(tx, "clerk", ["bills:read"])
    else:
        administration = world.service(RoleAdministration)
        await administration.take(Actor(None), user_id, "clerk")

    assert await orders.introspect(key) == {"active": False}
    exchanged = await orders.ask("token", grant_type=Grant.TOKEN_EXCHANGE, **shown)
    assert (exchanged.status_code, exchanged.json()["error"]) == (400, "invalid_request")
