"""Tokens and keys for tokens of another audience: never for more, and no longer."""

from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.programs import (
    BILLING,
    ORDERS,
    Program,
    give_role,
    make_program,
    make_resource,
    own_api,
)
from tests.fixtures.world import SignedIn, World

from keyfob.clients.models import Grant
from keyfob.sessions.revocations import Revocations
from keyfob.settings import Settings

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
OF_KEYS = "urn:keyfob:token-type:api-key"


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def exchange(
    client: Program, token: str, *, by: World | None = None, **form: Any
) -> httpx.Response:
    asked = {
        "grant_type": Grant.TOKEN_EXCHANGE.value,
        "subject_token": token,
        "subject_token_type": OF_KEYS if token.startswith("kfk_") else ACCESS_TOKEN,
        **form,
    }
    return await client.ask("token", by=by, **asked)


async def exchanged(client: Program, token: str, **form: Any) -> str:
    answer = await exchange(client, token, **form)
    assert answer.status_code == 200, answer.text
    given: str = answer.json()["access_token"]
    return given


def is_refused(answer: httpx.Response, error: str) -> bool:
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
    return True


@pytest.fixture
async def caller(world: World) -> Program:
    """The API of orders, which may ask for tokens for that of bills."""
    await make_resource(world)
    await make_resource(world, BILLING, ["bills:read", "orders:read"])
    return await make_program(
        world,
        grants=[Grant.TOKEN_EXCHANGE],
        scope=["bills:read", "orders:read", "orders:write"],
        resources=[ORDERS, BILLING, own_api(world)],
    )


@pytest.fixture
async def service(world: World, caller: Program) -> Program:
    """A service account that calls the API of orders."""
    return await make_program(world, scope=["orders:read", "orders:write"])


@pytest.fixture
async def ada(world: World, caller: Program) -> SignedIn:
    await world.make_user()
    ada = await world.log_in()
    await give_role(world, ada, "orders:read", "orders:write")
    return ada


async def make_key(world: World, caller: SignedIn, *scope: str, **body: Any) -> tuple[str, str]:
    asked = {"name": "Backup", "scope": scope or ["orders:read"], **body}
    made = await world.api.post("/me/api-keys", json=asked, headers=caller.headers)
    assert made.status_code == 201, made.text
    return made.json()["id"], made.json()["api_key"]


async def is_active(world: World, token: str) -> bool:
    """Ask as the API of bills, in either of its workers."""
    bills = await make_program(world, scope=[], resources=[BILLING])
    return bool((await bills.introspect(token))["active"])


async def test_a_token_of_a_service_for_one_of_another_audience(
    world: World, caller: Program, service: Program
) -> None:
    answer = await exchange(caller, await service.get_token(), resource=BILLING)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["issued_token_type"], body["token_type"]) == (ACCESS_TOKEN, "Bearer")
    assert body["scope"] == "orders:read"
    claims = claims_of(body["access_token"])
    assert (claims["aud"], claims["scope"]) == (BILLING, "orders:read")
    assert (claims["sub"], claims["client_id"]) == (str(service.id), str(caller.id))
    assert claims.keys().isdisjoint({"role", "auth_time", "amr"})
    assert await is_active(world, body["access_token"])


async def test_a_token_of_a_sign_in_tells_how_the_user_signed_in(
    world: World, caller: Program, ada: SignedIn
) -> None:
    subject = claims_of(ada.access)

    claims = claims_of(await exchanged(caller, ada.access, audience=BILLING))

    for name in ("sub", "sid", "gen", "sub_gen", "role", "roles", "auth_time", "acr", "amr"):
        assert claims[name] == subject[name]
    assert claims["exp"] == subject["exp"]
    assert (claims["aud"], claims["scope"]) == (BILLING, "")


async def test_a_key_of_a_user(world: World, caller: Program, ada: SignedIn) -> None:
    key_id, key = await make_key(world, ada, "orders:read", "account:read")

    token = await exchanged(caller, key, audience=BILLING)

    claims = claims_of(token)
    assert (claims["sid"], claims["sub"]) == (key_id, (await world.me(ada)).json()["id"])
    assert (claims["scope"], claims["role"], claims["roles"]) == (
        "orders:read",
        "user",
        ["user", "clerk"],
    )
    assert claims.keys().isdisjoint({"auth_time", "acr", "amr"})
    assert await is_active(world, token)


class TestNeverMore:
    @pytest.mark.parametrize("scope", ["bills:read", "orders:write", "orders:read bills:read", "x"])
    async def test_the_scope_is_within_subject_client_and_target(
        self, caller: Program, service: Program, scope: str
    ) -> None:
        token = await service.get_token()
        assert is_refused(
            await exchange(caller, token, resource=BILLING, scope=scope), "invalid_scope"
        )

    async def test_a_narrow_token_stays_narrow(self, caller: Program, service: Program) -> None:
        token = await service.get_token(scope="orders:write")
        assert is_refused(await exchange(caller, token, resource=BILLING), "invalid_scope")
        narrow = await exchange(caller, token, resource=ORDERS)
        assert narrow.json()["scope"] == "orders:write"

    async def test_nothing_lives_longer(
        self, world: World, caller: Program, service: Program, clock: MovableClock
    ) -> None:
        token = await service.get_token()
        clock.advance(250)
        answer = await exchange(caller, token, resource=BILLING)
        assert answer.json()["expires_in"] == 50
        second = claims_of(await exchanged(caller, answer.json()["access_token"], resource=BILLING))
        assert second["exp"] == claims_of(token)["exp"]
        clock.advance(50)
        assert is_refused(await exchange(caller, token, resource=BILLING), "invalid_request")

    async def test_nor_than_the_key(
        self, world: World, caller: Program, ada: SignedIn, clock: MovableClock
    ) -> None:
        ends_at = (clock.now() + timedelta(seconds=40.5)).isoformat()
        _, key = await make_key(world, ada, expires_at=ends_at)
        answer = await exchange(caller, key, resource=BILLING)
        assert answer.json()["expires_in"] == 40
        clock.advance(40)
        assert is_refused(await exchange(caller, key, resource=BILLING), "invalid_request")

    async def test_our_own_api_is_no_target(
        self, world: World, caller: Program, service: Program, ada: SignedIn
    ) -> None:
        _, key = await make_key(world, ada, "account:read")
        for token in (ada.access, await service.get_token(), key):
            for named in ({"resource": own_api(world)}, {"audience": [BILLING, own_api(world)]}):
                assert is_refused(await exchange(caller, token, **named), "invalid_target")

    async def test_a_target_is_one_of_the_caller_s(
        self, world: World, caller: Program, service: Program
    ) -> None:
        await make_resource(world, "https://stock.example.com", ["orders:read"])
        token = await service.get_token()
        for named in (
            {"resource": "https://stock.example.com"},
            {"audience": "https://nobody.example.com"},
            {"resource": BILLING, "audience": "https://stock.example.com"},
            {},
        ):
            assert is_refused(await exchange(caller, token, **named), "invalid_target")

    async def test_the_caller_is_one_that_the_token_is_meant_for(
        self, world: World, caller: Program, service: Program, ada: SignedIn
    ) -> None:
        _, key = await make_key(world, ada)
        stranger = await make_program(
            world, grants=[Grant.TOKEN_EXCHANGE], scope=["bills:read"], resources=[BILLING]
        )
        for token in (ada.access, await service.get_token()):
            assert is_refused(await exchange(stranger, token), "invalid_request")
        stranger = await make_program(
            world, grants=[Grant.TOKEN_EXCHANGE], scope=["account:read"], resources=[own_api(world)]
        )
        assert is_refused(await exchange(stranger, key), "invalid_request")

    async def test_only_where_it_is_registered(self, caller: Program, service: Program) -> None:
        token = await service.get_token()
        assert is_refused(await exchange(service, token), "unauthorized_client")

    async def test_a_sign_in_that_lacks_a_factor_gets_nothing(
        self, settings: Settings, clock: MovableClock
    ) -> None:
        restricted = settings.model_copy(update={"require_mfa_for": ["user", "clerk"]})
        async with World(restricted, clock) as world:
            await make_resource(world, BILLING, ["bills:read"])
            caller = await make_program(
                world,
                grants=[Grant.TOKEN_EXCHANGE],
                scope=["bills:read"],
                resources=[BILLING, own_api(world)],
            )
            await world.make_user()
            ada = await world.log_in()
            assert is_refused(
                await exchange(caller, ada.access, audience=BILLING), "invalid_request"
            )


class TestWhatRevokesTheSubject:
    """What revokes the subject token revokes what it was exchanged for, in every worker."""

    async def test_the_end_of_a_session(
        self, world: World, other: World, caller: Program, ada: SignedIn
    ) -> None:
        token = await exchanged(caller, ada.access, audience=BILLING)
        assert await is_active(world, token)
        await world.api.delete("/logout", headers=ada.headers)
        assert not await is_active(world, token)
        assert is_refused(await exchange(caller, ada.access, audience=BILLING), "invalid_request")

    async def test_the_end_of_all_sessions(
        self, world: World, caller: Program, ada: SignedIn
    ) -> None:
        token = await exchanged(caller, ada.access, audience=BILLING)
        await world.api.delete("/logout-all", headers=ada.headers)
        assert not await is_active(world, token)

    async def test_the_end_of_a_key(self, world: World, caller: Program, ada: SignedIn) -> None:
        key_id, key = await make_key(world, ada)
        token = await exchanged(caller, key, audience=BILLING)
        gone = await world.api.delete(f"/me/api-keys/{key_id}", headers=ada.headers)
        assert gone.status_code == 204
        assert not await is_active(world, token)
        assert is_refused(await exchange(caller, key, audience=BILLING), "invalid_request")

    async def test_a_subject_token_that_is_revoked_alone(
        self, world: World, caller: Program, service: Program
    ) -> None:
        subject = await service.get_token()
        first = await exchanged(caller, subject, audience=BILLING)
        second = await exchanged(caller, first, audience=BILLING)
        another = await exchanged(caller, await service.get_token(), audience=BILLING)

        assert (await service.revoke(subject)).status_code == 200

        assert not await is_active(world, first)
        assert not await is_active(world, second)
        assert await is_active(world, another)

    async def test_a_client_on_the_way(self, world: World, caller: Program, ada: SignedIn) -> None:
        second = await make_program(
            world,
            grants=[Grant.TOKEN_EXCHANGE],
            scope=["orders:read"],
            resources=[ORDERS, BILLING],
        )
        _, key = await make_key(world, ada)
        first = await exchanged(caller, key, audience=ORDERS)
        token = await exchanged(second, first, audience=BILLING)
        assert await is_active(world, token)

        await caller.change(scope=("bills:read",))  # begins a new generation

        assert not await is_active(world, token)

    async def test_the_subject_s_and_the_caller_s_own_registration(
        self, world: World, caller: Program, service: Program, clock: MovableClock
    ) -> None:
        for ended in (service, caller):
            token = await exchanged(caller, await service.get_token(), audience=BILLING)
            await ended.change(disabled_at=clock.now())
            assert not await is_active(world, token)
            await ended.change(disabled_at=None)

    async def test_a_worker_that_hears_of_it_refuses_too(
        self, world: World, other: World, caller: Program, service: Program
    ) -> None:
        subject = await service.get_token()
        token = await exchanged(caller, subject, audience=BILLING)
        bills = await make_program(world, scope=[], resources=[BILLING])
        assert (await bills.introspect(token, by=other))["active"]
        await service.revoke(subject)
        await other.service(Revocations).load()
        assert not (await bills.introspect(token, by=other))["active"]

    async def test_it_is_exchanged_a_few_times_and_no_more(
        self, caller: Program, service: Program
    ) -> None:
        token = await service.get_token()
        for _ in range(3):
            token = await exchanged(caller, token, audience=BILLING)
        assert is_refused(await exchange(caller, token, audience=BILLING), "invalid_request")


@pytest.mark.parametrize(
    "form",
    [
        {"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"},
        {"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"subject_token_type": OF_KEYS},
        {"subject_token_type": ""},
        {"subject_token": ""},
        {"subject_token": "a.b.c"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
        {"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"},
        {"actor_token": "a.b.c", "actor_token_type": ACCESS_TOKEN},
        {"actor_token_type": ACCESS_TOKEN},
    ],
    ids=str,
)
async def test_what_is_not_offered_is_refused_plainly(
    caller: Program, service: Program, form: dict[str, str]
) -> None:
    token = form.pop("subject_token", None)
    subject = await service.get_token() if token is None else token
    assert is_refused(await exchange(caller, subject, resource=BILLING, **form), "invalid_request")


async def test_a_token_changed_anywhere_is_none(caller: Program, service: Program) -> None:
    token = await service.get_token()
    for place in range(0, len(token), 11):
        flipped = "A" if token[place] != "A" else "B"
        for changed in (token[:place] or ".", token[:place] + flipped + token[place + 1 :]):
            answer = await exchange(caller, changed, resource=BILLING)
            assert is_refused(answer, "invalid_request")


async def test_an_exchanged_token_opens_nothing_of_ours(
    world: World, caller: Program, ada: SignedIn
) -> None:
    token = await exchanged(caller, ada.access, audience=BILLING)
    for path in ("/me", "/admin/users"):
        answer = await world.api.get(path, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


async def test_it_does_not_outlive_the_revocation_of_a_session_if_lifetimes_are_lowered(
    settings: Settings, clock: MovableClock
) -> None:
    of_an_hour, of_a_minute = (
        settings.model_copy(update={"access_token_ttl": ttl}) for ttl in (3600, 60)
    )
    async with World(of_an_hour, clock) as world:
        await make_resource(world, BILLING, ["bills:read"])
        caller = await make_program(
            world,
            grants=[Grant.TOKEN_EXCHANGE],
            scope=["bills:read"],
            resources=[BILLING, own_api(world)],
            ttl=3600,
        )
        await world.make_user()
        ada = await world.log_in()
        await give_role(world, ada, "bills:read")
        token = await exchanged(caller, ada.access, resource=BILLING)
    assert claims_of(token)["exp"] - claims_of(token)["iat"] == 3600

    async with World(of_a_minute, clock) as world:
        assert await is_active(world, token)
        gone = await world.api.delete("/logout", headers=ada.headers)
        assert gone.status_code == 204
        assert not await is_active(world, token)
    clock.advance(seconds=400)
    async with World(of_a_minute, clock) as world:
        assert not await is_active(world, token)
