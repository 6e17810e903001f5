"""Clients that register themselves (RFC 7591): what they may be, and what they never get."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from tests.fixtures.apps import CALLBACK, App, allowed, answer_of, decided, onward
from tests.fixtures.clock import MovableClock
from tests.fixtures.holder import Holder, exchange_code
from tests.fixtures.programs import make_resource, own_api
from tests.fixtures.world import World
from tests.web.account_pages import signed_in, text_of

from keyfob.clients.registration_tokens import RegistrationTokens
from keyfob.clients.self_registration_queries import delete_unused
from keyfob.clients.service import Clients
from keyfob.core.clock import Clock
from keyfob.settings import Settings

claims_of = partial(jwt.decode, options={"verify_signature": False})
ORDERS = "https://orders.example.com"
NATIVE = {
    "redirect_uris": ["http://127.0.0.1/callback"],
    "application_type": "native",
    "token_endpoint_auth_method": "none",
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    opened = {"dynamic_registration": "open", "self_registered_resources": [ORDERS, "keyfob"]}
    return settings.model_copy(update=opened)


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.make_user(name="Ada")
    async with signed_in(world) as browser:
        yield browser


async def register(world: World, token: str | None = None, **told: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    told = {"redirect_uris": [CALLBACK], **told}
    return await world.api.post("/oauth2/register", json=told, headers=headers)


async def make(world: World, **told: Any) -> App:
    answer = await register(world, **told)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return App(world, UUID(made["client_id"]), made.get("client_secret"))


async def test_the_key_of_its_id_tokens_is_there_as_soon_as_it_has_registered(
    world: World,
) -> None:
    await register(world, id_token_signed_response_alg="ES256")

    keys = (await world.api.get("/.well-known/jwks.json")).json()["keys"]
    assert "ES256" in {key["alg"] for key in keys}


async def test_a_client_registers_itself_and_its_user_signs_in(
    world: World, browser: httpx.AsyncClient
) -> None:
    answer = await register(
        world,
        client_name="Notes",
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token"],
        logo_uri="http://169.254.169.254/",
    )
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    assert made.pop("client_id_issued_at") == world.service(Clock).timestamp()
    app = App(world, UUID(made.pop("client_id")), None)
    assert made == {
        "client_name": "Notes",
        "application_type": "web",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "id_token_signed_response_alg": "RS256",
        "scope": "openid profile email groups offline_access",
    }

    tokens = await app.tokens(browser)
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200


async def test_one_with_a_secret_is_told_it_once(world: World, browser: httpx.AsyncClient) -> None:
    made = (await register(world)).json()  # client_secret_basic, if nothing is said
    assert made["token_endpoint_auth_method"] == "client_secret_basic"
    assert made["client_secret_expires_at"] == 0
    app = App(world, UUID(made["client_id"]), made["client_secret"])

    assert "refresh_token" not in await app.tokens(browser)
    app.secret = "kfs_wrong"
    assert (await app.exchange("x")).json()["error"] == "invalid_client"


async def test_one_that_wants_so_gets_no_token_without_a_proof(
    world: World, browser: httpx.AsyncClient
) -> None:
    bound = {"token_endpoint_auth_method": "none", "dpop_bound_access_tokens": True}
    made = (await register(world, **bound)).json()
    app = App(world, UUID(made["client_id"]), None)
    code = await app.code(browser)

    bare = await app.exchange(code)
    proven = await exchange_code(app, code, Holder(world))

    assert made["dpop_bound_access_tokens"] is True
    assert bare.json()["error"] == "invalid_dpop_proof"
    assert proven.json()["token_type"] == "DPoP"
    wrong = await register(world, dpop_bound_access_tokens="yes")
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_client_metadata")


async def test_its_users_are_asked_each_time_and_told_what_it_is(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make(world, client_name="Notes")
    assert await app.code(browser)

    page = await onward(browser, await app.send(browser))

    assert "Allow Notes?" in text_of(page)
    assert "It has registered itself, and leads back to app.example.com" in text_of(page)
    assert "Nobody here has checked this app" in text_of(page)
    silent = await app.send(browser, prompt="none")
    assert "location" not in silent.headers
    assert "error=consent_required" in silent.text


WRONG = [
    {"response_type": "token"},
    {"scope": "openid users:read"},
    {"code_challenge": None},
    {"code_challenge": None, "code_challenge_method": None},
    {"prompt": "none login"},
    {"resource": "https://unknown.example.com"},
    {"response_mode": "form_post", "code_challenge": None},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
async def test_nobody_is_sent_on_by_a_wrong_request_before_they_ask_for_it(
    world: World, browser: httpx.AsyncClient, wrong: dict[str, str | None]
) -> None:
    app = await make(world)

    answer = await app.send(browser, **wrong)
    by_form = await browser.post("/oauth2/authorize", data=app.query(**wrong))

    for one in (answer, by_form):
        assert "location" not in one.headers
        assert "http-equiv" not in one.text
        assert "data-sends-itself" not in one.text
        assert "with a request that nobody can answer" in text_of(one)
        assert "https://app.example.com/callback" in one.text  # behind a link or a button


async def test_whoever_does_not_allow_it_goes_back_at_once(
    world: World, browser: httpx.AsyncClient
) -> None:
    app = await make(world)
    page = await onward(browser, await app.send(browser))

    assert answer_of(await decided(browser, page, "deny"))["error"] == "access_denied"


REFUSED = [
    ("invalid_redirect_uri", {"redirect_uris": ["javascript:alert(1)"]}),
    ("invalid_redirect_uri", {"redirect_uris": ["data:text/html,x"]}),
    ("invalid_redirect_uri", {"redirect_uris": ["http://app.example.com/callback"]}),
    ("invalid_redirect_uri", {"redirect_uris": ["https://app.example.com\\callback"]}),
    ("invalid_redirect_uri", {"redirect_uris": ["https://*.example.com/callback"]}),
    ("invalid_redirect_uri", {"redirect_uris": ["https://app.example.com/callback#x"]}),
    ("invalid_redirect_uri", {"redirect_uris": ["https://me@app.example.com/callback"]}),
    ("invalid_redirect_uri", {**NATIVE, "redirect_uris": ["vscode:/callback"]}),
    ("invalid_redirect_uri", {"redirect_uris": ["com.example.app:/callback"]}),
    ("invalid_redirect_uri", {"redirect_uris": []}),
    ("invalid_redirect_uri", {"redirect_uris": None}),
    ("invalid_redirect_uri", {"redirect_uris": CALLBACK}),
    ("invalid_redirect_uri", {"redirect_uris": [CALLBACK, 1]}),
    ("invalid_redirect_uri", {"redirect_uris": [f"{CALLBACK}{n}" for n in range(21)]}),
    ("invalid_client_metadata", {"scope": "admin"}),
    ("invalid_client_metadata", {"scope": "openid users:read"}),
    ("invalid_client_metadata", {"scope": ["openid"]}),
    ("invalid_client_metadata", {"grant_types": ["client_credentials"]}),
    ("invalid_client_metadata", {"grant_types": ["authorization_code", "client_credentials"]}),
    ("invalid_client_metadata", {"grant_types": ["refresh_token"]}),
    ("invalid_client_metadata", {"grant_types": ["implicit"], "response_types": ["token"]}),
    ("invalid_client_metadata", {"response_types": ["code", "code id_token"]}),
    ("invalid_client_metadata", {"token_endpoint_auth_method": "client_secret_jwt"}),
    ("invalid_client_metadata", {"token_endpoint_auth_method": ["none"]}),
    ("invalid_client_metadata", {"token_endpoint_auth_method": "private_key_jwt"}),
    ("invalid_client_metadata", {"application_type": "service"}),
    ("invalid_client_metadata", {"application_type": {}}),
    ("invalid_client_metadata", {"id_token_signed_response_alg": []}),
    ("invalid_client_metadata", {"id_token_signed_response_alg": "none"}),
    ("invalid_client_metadata", {"client_name": ""}),
    ("invalid_client_metadata", {"client_name": "Keyfob\u202e"}),
    ("invalid_client_metadata", {"client_name": "x" * 201}),
]


@pytest.mark.parametrize(("error", "told"), REFUSED, ids=str)
async def test_what_no_such_client_may_be_is_refused(
    world: World, error: str, told: dict[str, Any]
) -> None:
    answer = await register(world, **told)

    assert answer.status_code == 400, answer.text
    assert answer.json()["error"] == error
    assert await world.db.fetchval("SELECT count(*) FROM clients") == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"1", b'"x"', b"{", b'{"a":1,"a":2}'])
async def test_a_body_that_is_no_metadata_is_refused(world: World, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await world.api.post("/oauth2/register", content=body, headers=headers)

    assert answer.status_code == 400
    assert "error" in answer.json()


async def test_it_gets_only_the_apis_that_are_open_to_such_clients(
    world: World, browser: httpx.AsyncClient, settings: Settings, clock: MovableClock
) -> None:
    await make_resource(world, scopes=["orders:read", "users:read"])
    await make_resource(world, "https://closed.example.com", scopes=["closed:read"])
    made = (await register(world, scope="orders:read")).json()
    assert made["scope"].split()[-1] == "orders:read"
    app = App(world, UUID(made["client_id"]), made["client_secret"])

    asked = await onward(browser, await app.send(browser, scope="orders:read", resource=ORDERS))
    assert "It asks for this: orders:read" in text_of(asked)
    tokens = await app.tokens(browser, scope="orders:read", resource=ORDERS)
    assert claims_of(tokens["access_token"])["aud"] == ORDERS
    for resource, scope in (
        ("https://closed.example.com", "closed:read"),
        (own_api(world), "users:read"),
        (own_api(world), "openid"),
        (ORDERS, "users:read"),
    ):
        answer = await app.send(browser, scope=scope, resource=resource)
        assert "code=" not in answer.text
        assert "with a request that nobody can answer" in text_of(answer)
    assert (await register(world, scope="closed:read")).status_code == 400

    # An administrator closes it again: what was registered before has no more either.
    closed = settings.model_copy(update={"self_registered_resources": []})
    async with World(closed, clock) as other:
        app.world = other
        async with signed_in(other) as there:
            answer = await app.send(there, scope="orders:read", resource=ORDERS)
            assert "error=invalid_target" in answer.text


async def test_an_administrator_cannot_give_it_what_such_clients_never_get(world: World) -> None:
    app = await make(world)
    admin = await world.make_admin()
    for change in (
        {"first_party": True},
        {"require_pkce": False},
        {"grants": ["authorization_code", "client_credentials"]},
    ):
        path = f"/admin/clients/{app.id}"
        answer = await world.api.patch(path, json=change, headers=admin.headers)
        assert answer.status_code == 422, answer.text


async def test_those_that_nobody_has_used_are_gone_after_a_day(
    world: World, browser: httpx.AsyncClient, clock: MovableClock
) -> None:
    unused, used = await make(world), await make(world)
    disabled = await make(world)
    await world.db.execute("UPDATE clients SET disabled_at = now() WHERE id = $1", disabled.id)
    await used.tokens(browser)
    clients = world.service(Clients)

    await clients.clean_up()
    assert await world.db.fetchval("SELECT count(*) FROM clients") == 3
    clock.advance(hours=25)
    await clients.clean_up()

    left = {row["id"] for row in await world.db.fetch("SELECT id FROM clients")}
    assert left == {used.id, disabled.id}
    async with signed_in(world) as later:
        assert (await unused.send(later)).status_code == 400
        # What is taken back may be asked for again, for a while.
        await world.db.execute("DELETE FROM consents")
        await world.db.execute("DELETE FROM authorization_codes")
        await clients.clean_up()
        assert await used.code(later)


async def test_used_ones_that_are_due_hold_up_no_removal(world: World, clock: MovableClock) -> None:
    """Threat: who keeps many in use has nobody's unused one removed, until nobody can register."""
    used, unused = await make(world), await make(world)
    user_id = await world.make_user()
    await world.db.execute(
        "INSERT INTO consents VALUES ($1, $2, '{}', '{}', now())",
        user_id,
        used.id,
    )
    clock.advance(days=200)

    gone = await delete_unused(world.db, clock.now(), 1)

    assert gone == 1
    left = await world.db.fetch("SELECT id FROM clients WHERE kept_until IS NOT NULL")
    assert [row["id"] for row in left] == [used.id] != [unused.id]


class TestWithATokenOnly:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"dynamic_registration": "token"})

    async def test_it_counts_so_often_and_until_it_ends(
        self, world: World, clock: MovableClock
    ) -> None:
        tokens = world.service(RegistrationTokens)
        _, twice = await tokens.make(world.db, uses=2, lives=timedelta(days=1))
        _, old = await tokens.make(world.db, uses=9, lives=timedelta(hours=1))
        assert (await register(world)).status_code == 401

        wrong = await register(world, twice, redirect_uris=["javascript:alert(1)"])
        assert wrong.status_code == 400  # and does not count
        answers = await asyncio.gather(*(register(world, twice) for _ in range(5)))
        assert sorted(one.status_code for one in answers) == [201, 201, 401, 401, 401]
        clock.advance(hours=1)
        for token in (old, twice, "kfi_x", "kfi_" + "x" * 49, twice[:-1]):
            answer = await register(world, token)
            assert answer.status_code == 401
            assert answer.json()["error"] == "invalid_token"
            assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert await world.db.fetchval("SELECT count(*) FROM clients") == 2
        await tokens.clean_up()
        assert await world.db.fetchval("SELECT count(*) FROM registration_tokens") == 0


class TestOff:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"dynamic_registration": "off"})

    async def test_it_is_not_there_and_not_told_of(self, world: World) -> None:
        assert (await register(world)).status_code == 404
        told = (await world.api.get("/.well-known/oauth-authorization-server")).json()
        assert "registration_endpoint" not in told


async def test_the_metadata_name_the_endpoint(world: World) -> None:
    told = (await world.api.get("/.well-known/openid-configuration")).json()
    assert told["registration_endpoint"] == f"{own_api(world)}/oauth2/register"


class TestWithLimits:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"limits": "on"})

    async def test_an_address_registers_so_many_and_each_is_recorded(self, world: World) -> None:
        answers = [await register(world) for _ in range(11)]

        assert [one.status_code for one in answers] == [201] * 10 + [429]
        events = await world.audit_log()
        assert [one["action"] for one in events].count("client.registered") == 10


async def test_allowing_it_says_what_it_was(world: World, browser: httpx.AsyncClient) -> None:
    app = await make(world, client_name="Notes")
    answer = await allowed(browser, await app.send(browser))

    assert answer_of(answer)["iss"] == own_api(world)
    assert "app.allowed" in [one["action"] for one in await world.audit_log()]
