"""Tokens that are bound to a key: how they come to be, and where they are shown (RFC 9449)."""

import base64
import hashlib
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import jwt
import pytest
from tests.fixtures.apps import allowed, answer_of, make_app
from tests.fixtures.clock import MovableClock
from tests.fixtures.event_streams import Stream
from tests.fixtures.fuzzing import listening
from tests.fixtures.holder import Holder, bound_tokens, exchange_code, hash_of, refresh_grant
from tests.fixtures.programs import ORDERS, Program, make_program, make_resource, own_api
from tests.fixtures.world import World
from tests.web.account_pages import signed_in

from keyfob.clients.models import Grant
from keyfob.revocation_feed.streams import RevocationStreams

CREDENTIALS = {"grant_type": "client_credentials"}


@pytest.fixture
async def ada(world: World) -> UUID:
    return await world.make_user(name="Ada")


@pytest.fixture
async def browser(world: World, ada: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with signed_in(world) as browser:
        yield browser


def key_of(token: str) -> str | None:
    claims = jwt.decode(token, options={"verify_signature": False})
    jkt: str | None = claims.get("cnf", {}).get("jkt")
    return jkt


async def ends(stream: Stream) -> bool:
    try:
        for _ in range(100):
            await stream.next()
    except StopAsyncIteration:
        return True
    return False


class TestRefresh:
    """The refresh tokens of public clients are bound to the key; those of others to the client."""

    async def test_of_a_public_client_needs_the_same_key(
        self, world: World, browser: httpx.AsyncClient, holder: Holder
    ) -> None:
        app, thief = await make_app(world, public=True), Holder(world, "EdDSA")
        token = (await bound_tokens(app, browser, holder))["refresh_token"]

        by_thief = await refresh_grant(app, token, thief)
        bare = await app.refresh(token)
        by_owner = await refresh_grant(app, token, holder)

        assert by_thief.json()["error"] == bare.json()["error"] == "invalid_grant"
        assert by_owner.status_code == 200
        assert by_owner.json()["token_type"] == "DPoP"
        assert key_of(by_owner.json()["access_token"]) == holder.jkt

    async def test_of_a_confidential_client_takes_another_key(
        self, world: World, browser: httpx.AsyncClient, holder: Holder
    ) -> None:
        app, second = await make_app(world), Holder(world, "EdDSA")
        token = (await bound_tokens(app, browser, holder))["refresh_token"]

        answer = await refresh_grant(app, token, second)

        assert key_of(answer.json()["access_token"]) == second.jkt != holder.jkt

    async def test_a_grant_without_a_key_stays_without(
        self, world: World, browser: httpx.AsyncClient, holder: Holder
    ) -> None:
        app = await make_app(world, public=True)
        tokens = await app.tokens(browser)

        once = (await refresh_grant(app, tokens["refresh_token"], holder)).json()
        bare = await app.refresh(once["refresh_token"])

        assert tokens["token_type"] == bare.json()["token_type"] == "Bearer"
        assert key_of(once["access_token"]) == holder.jkt
        assert bare.status_code == 200

    async def test_a_wrong_key_moves_nothing_on_and_ends_nothing(
        self, world: World, browser: httpx.AsyncClient, holder: Holder, clock: MovableClock
    ) -> None:
        app = await make_app(world, public=True)
        token = (await bound_tokens(app, browser, holder))["refresh_token"]
        for _ in range(3):
            await refresh_grant(app, token, Holder(world, "EdDSA"))
            clock.advance(20)
        await holder.learn()

        assert (await refresh_grant(app, token, holder)).status_code == 200


class TestCode:
    """`dpop_jkt` binds the code to the key before it is proven (RFC 9449 section 10)."""

    async def test_needs_the_key_that_was_named(
        self, world: World, browser: httpx.AsyncClient, holder: Holder
    ) -> None:
        app = await make_app(world, public=True)
        code = await app.code(browser, dpop_jkt=holder.jkt)

        stolen = await exchange_code(app, code, Holder(world, "EdDSA"))
        bare = await app.exchange(code)
        owned = await exchange_code(app, code, holder)

        assert stolen.json()["error"] == bare.json()["error"] == "invalid_grant"
        assert owned.status_code == 200
        again = await exchange_code(app, code, Holder(world, "EdDSA"))
        assert again.json()["error"] == "invalid_grant"
        kept = await refresh_grant(app, owned.json()["refresh_token"], holder)
        assert kept.status_code == 200  # a reuse by another key is none

    async def test_a_proof_as_a_request_is_pushed_names_the_key(
        self, world: World, browser: httpx.AsyncClient, holder: Holder
    ) -> None:
        app, path = await make_app(world, public=True), "/oauth2/par"

        async def push(*proofs: str, **asked: str) -> httpx.Response:
            headers = [("DPoP", one) for one in proofs]
            return await world.api.post(path, data=app.query(**asked), headers=headers)

        proof = holder.proof(path)
        pushed = await push(proof)
        named = {"client_id": str(app.id), "request_uri": pushed.json()["request_uri"]}
        answer = await allowed(browser, await browser.get("/oauth2/authorize", params=named))
        code = answer_of(answer)["code"]
        stolen = await exchange_code(app, code, Holder(world, "EdDSA"))

        assert (pushed.status_code, pushed.headers["dpop-nonce"]) == (201, holder.nonce)
        assert stolen.json()["error"] == "invalid_grant"
        assert (await exchange_code(app, code, holder)).status_code == 200
        for wrong in (
            await push(proof),
            await push(holder.proof("/oauth2/token")),
            await push(holder.proof(path), holder.proof(path)),
            await push(holder.proof(path), dpop_jkt="A" * 43),
        ):
            assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_dpop_proof")
        bare = await push(holder.proof(path, nonce=None))
        assert (bare.json()["error"], "dpop-nonce" in bare.headers) == ("use_dpop_nonce", True)
        assert (await push(holder.proof(path), dpop_jkt=holder.jkt)).status_code == 201

    @pytest.mark.parametrize("wrong", ["x", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "é"])
    async def test_what_is_no_thumbprint_is_told_to_the_app(
        self, world: World, browser: httpx.AsyncClient, wrong: str
    ) -> None:
        app = await make_app(world)

        answer = await app.send(browser, dpop_jkt=wrong)

        assert answer_of(answer)["error"] == "invalid_request"

    async def test_a_bound_app_gets_nothing_without_a_proof(
        self, world: World, browser: httpx.AsyncClient, holder: Holder
    ) -> None:
        app = await make_app(world, dpop_bound=True)
        code = await app.code(browser)

        bare = await app.exchange(code)
        bound = await exchange_code(app, code, holder)

        assert bare.json()["error"] == "invalid_dpop_proof"
        assert bound.json()["token_type"] == "DPoP"


class TestOwnApi:
    """A program with a bound token for our own API proves its key there, too."""

    @pytest.fixture
    async def program(self, world: World) -> Program:
        return await make_program(world, scope=["users:read"], resources=[own_api(world)])

    @pytest.fixture
    async def token(self, program: Program, holder: Holder) -> str:
        answer = await holder.ask(CREDENTIALS, auth=program.basic)
        token: str = answer.json()["access_token"]
        return token

    async def test_takes_it_with_a_proof_alone(
        self, world: World, holder: Holder, token: str
    ) -> None:
        bearer = {"Authorization": f"Bearer {token}"}
        shown = await holder.show(token, "/admin/users")
        again = await holder.show(token, "/admin/users", jti="1")
        twice = await holder.show(token, "/admin/users", jti="1")
        bare = [await world.api.get("/admin/users", headers=bearer) for _ in range(2)]

        assert shown.status_code == again.status_code == 200
        assert (twice.status_code, twice.json()["code"]) == (401, "invalid_dpop_proof")
        for answer in bare:
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
            assert answer.headers["www-authenticate"].startswith('DPoP algs="')
            assert "resource_metadata=" in answer.headers["www-authenticate"]

    async def test_refuses_the_proof_of_another_request(
        self, world: World, holder: Holder, token: str
    ) -> None:
        thief = Holder(world, "EdDSA", nonce=holder.nonce)
        for wrong in (
            await holder.show(token, "/admin/users", htu=own_api(world) + "/admin/audit"),
            await holder.show(token, "/admin/users", htm="DELETE"),
            await holder.show(token, "/admin/users", ath=None),
        ):
            assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_dpop_proof")
        stolen = await thief.show(token, "/admin/users")
        old = await holder.show(token, "/admin/users", nonce="A" * 32)

        assert stolen.json()["code"] == "invalid_token"
        assert old.json()["code"] == "use_dpop_nonce"
        assert old.headers["dpop-nonce"] == holder.nonce

    async def test_knows_the_address_with_and_without_its_path(
        self, holder: Holder, token: str
    ) -> None:
        proven = own_api(holder.world) + "/admin/users"

        for path in ("/admin/users", "/auth/admin/users", "/admin/users?limit=1"):
            answer = await holder.show(token, path, htu=proven)
            assert answer.status_code == 200, (path, answer.text)

    async def test_a_stream_goes_on_after_one_proof_and_ends_with_the_token(
        self, world: World, holder: Holder
    ) -> None:
        program = await make_program(world, scope=["revocations:read"], resources=[own_api(world)])
        answer = await holder.ask(CREDENTIALS, auth=program.basic)
        token, path = answer.json()["access_token"], "/revocations/stream"
        world.service(RevocationStreams).beat = 0.05
        proof = holder.proof(path, "GET", ath=hash_of(token))
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}

        async with (
            listening(world) as url,
            httpx.AsyncClient(base_url=url, timeout=30) as api,
            api.stream("GET", path, headers=headers) as answer,
        ):
            stream = Stream(answer.headers, answer.aiter_lines())
            for _ in range(3):
                assert (await stream.next()).name in {"revocations", "heartbeat"}
            await program.change()
            assert await ends(stream)

    async def test_people_sign_in_without_keys(self, world: World, holder: Holder) -> None:
        await world.make_user()
        own = (await world.log_in()).access

        for path in ("/me", "/me/sessions"):
            assert (await holder.show(own, path)).status_code == 401


async def test_introspection_names_the_key(world: World, holder: Holder) -> None:
    await make_resource(world)
    program = await make_program(world)
    answer = await holder.ask(CREDENTIALS, auth=program.basic)

    told = await program.introspect(answer.json()["access_token"])

    assert told["active"] is True
    assert told["token_type"] == "DPoP"
    assert told["cnf"] == {"jkt": holder.jkt}
    plain = await program.introspect(await program.get_token())
    assert plain["token_type"] == "Bearer"
    assert "cnf" not in plain


class TestExchange:
    """A bound token is exchanged for one that is bound to the key of whoever exchanges it."""

    async def test_needs_a_proof_of_the_caller(self, world: World, holder: Holder) -> None:
        await make_resource(world)
        service = await make_program(world)
        caller = await make_program(world, grants=[Grant.TOKEN_EXCHANGE])
        bound = (await holder.ask(CREDENTIALS, auth=service.basic)).json()["access_token"]
        form = {
            "grant_type": Grant.TOKEN_EXCHANGE.value,
            "subject_token": bound,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "resource": ORDERS,
        }
        own = Holder(world, "EdDSA")

        bare = await caller.ask("token", **form)
        proven = await own.ask(form, auth=caller.basic)
        form["subject_token"] = await service.get_token()
        plain = await caller.ask("token", **form)

        assert bare.json()["error"] == "invalid_dpop_proof"
        assert key_of(proven.json()["access_token"]) == own.jkt != holder.jkt
        assert proven.json()["token_type"] == "DPoP"
        assert key_of(plain.json()["access_token"]) is None


async def test_the_metadata_says_so(world: World) -> None:
    server = (await world.api.get("/.well-known/oauth-authorization-server")).json()
    resource = (await world.api.get("/.well-known/oauth-protected-resource")).json()

    for document in (server, resource):
        assert document["dpop_signing_alg_values_supported"] == [
            *("EdDSA", "Ed25519", "ES256", "PS256")
        ]


async def test_the_thumbprint_is_the_one_that_clients_compute(holder: Holder) -> None:
    named = {name: holder.jwk[name] for name in ("crv", "kty", "x", "y")}
    text = "{" + ",".join(f'"{name}":"{value}"' for name, value in named.items()) + "}"
    digest = hashlib.sha256(text.encode()).digest()

    assert holder.jkt == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
