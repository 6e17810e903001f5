"""Clients that sign what they prove: one assertion, for this server, once (RFC 7523)."""

import asyncio
import base64
import json
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.fixtures.assertions import Signer, make_signer, private_key, public_jwk
from tests.fixtures.clock import MovableClock
from tests.fixtures.logs import captured_log
from tests.fixtures.programs import make_program, make_resource, own_api
from tests.fixtures.world import World

from keyfob.settings import Settings


@pytest.fixture
async def signer(world: World) -> Signer:
    await make_resource(world)
    return await make_signer(world)


def is_refused(answer: httpx.Response) -> bool:
    assert (answer.status_code, answer.json()) == (
        401,
        {"error": "invalid_client", "error_description": "Client authentication failed"},
    )
    return True


def written(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Write a JWS past every library."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def signed(unsigned: str) -> str:
    signature = private_key("EdDSA").sign(unsigned.encode())
    return f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256", "PS256"])
async def test_an_assertion_of_each_algorithm_gets_a_token(world: World, algorithm: str) -> None:
    await make_resource(world)
    signer = await make_signer(world, algorithm)

    for typ in ("JWT", "client-authentication+jwt", None):
        answer = await signer.show(signer.sign({"typ": typ}))
        assert answer.status_code == 200, answer.json()
    named = await signer.show(signer.sign(), client_id=str(signer.program.id))
    assert named.status_code == 200


@pytest.mark.parametrize("of_key", ["EdDSA", "Ed25519", None])
async def test_an_algorithm_of_two_names_is_known_by_both(world: World, of_key: str | None) -> None:
    """RFC 9864 gives Ed25519 a name of its own, which newer libraries write."""
    await make_resource(world)
    jwk = public_jwk("EdDSA") | ({"alg": of_key} if of_key else {})
    signer = await make_signer(world, jwks={"keys": [jwk]})

    for alg in ("EdDSA", "Ed25519"):
        header = {"alg": alg, "typ": "JWT", "kid": "one"}
        unsigned = written(header, signer.claims()).rpartition(".")[0]
        assert (await signer.show(signed(unsigned))).status_code == 200


async def test_the_only_key_needs_no_kid(world: World) -> None:
    await make_resource(world)
    for kid in (None, "one"):
        signer = await make_signer(world, kid=kid)
        signer.header = {}
        assert (await signer.show(signer.sign())).status_code == 200
    assert is_refused(await signer.show(signer.sign({"kid": "two"})))


async def test_among_several_keys_the_kid_counts(world: World) -> None:
    await make_resource(world)
    keys = [public_jwk("EdDSA", "one"), public_jwk("ES256", "two"), public_jwk("RS256", "three")]
    signer = await make_signer(world, jwks={"keys": keys})
    assert (await signer.show(signer.sign())).status_code == 200

    signer.algorithm, signer.header = "ES256", {"kid": "two"}
    assert (await signer.show(signer.sign())).status_code == 200
    for kid in ("one", "three", "none of them"):
        assert is_refused(await signer.show(signer.sign({"kid": kid})))


class TestForAnotherServer:
    """Trap 18: an assertion that was made for another server, or that lives too long."""

    @pytest.mark.parametrize("path", ["/oauth2/token", "/", "/x"])
    async def test_the_audience_is_the_issuer(self, signer: Signer, path: str) -> None:
        issuer = own_api(signer.world)
        for aud in (
            issuer + path,
            [issuer],
            [issuer, "https://other.example.com"],
            None,
            issuer[7:],
        ):
            assert is_refused(await signer.show(signer.sign(aud=aud)))

    async def test_an_id_counts_once_on_whatever_worker(self, signer: Signer, other: World) -> None:
        assertion = signer.sign()
        assert (await signer.show(assertion)).status_code == 200

        assert is_refused(await signer.show(assertion))
        assert is_refused(await signer.show(assertion, by=other))
        claims = jwt.decode(assertion, options={"verify_signature": False})
        assert is_refused(await signer.show(signer.sign(jti=claims["jti"]), by=other))

    async def test_of_many_at_once_on_two_workers_one_counts(
        self, signer: Signer, other: World
    ) -> None:
        assertion = signer.sign()

        shown = [signer.show(assertion, by=by) for by in (signer.world, other) * 10]
        codes = [answer.status_code for answer in await asyncio.gather(*shown)]

        assert sorted(codes) == [200] + [401] * 19

    async def test_what_is_over_the_limit_of_the_client_spends_none(
        self, settings: Settings, clock: MovableClock
    ) -> None:
        limits = {"limits": "on", "limit_client": "2/minute"}
        async with World(settings.model_copy(update=limits), clock) as world:
            await make_resource(world)
            signer = await make_signer(world)
            ends = int(clock.timestamp()) + 300
            assertions = [signer.sign(exp=ends) for _ in range(4)]
            codes = [(await signer.show(one)).status_code for one in assertions]

            assert codes == [200, 200, 429, 429]
            assert await world.db.fetchval("SELECT count(*) FROM spent_ids") == 2
            clock.advance(60)
            assert (await signer.show(assertions[-1])).status_code == 200

    async def test_an_id_is_one_client_s(self, world: World, signer: Signer) -> None:
        second = await make_signer(world)
        for one in (signer, second):
            assert (await one.show(one.sign(jti="1"))).status_code == 200

    async def test_an_id_is_forgotten_after_its_time(
        self, signer: Signer, clock: MovableClock
    ) -> None:
        assert (await signer.show(signer.sign(jti="1"))).status_code == 200
        assert len(await signer.world.db.fetch("SELECT FROM spent_ids")) == 1
        clock.advance(minutes=11)
        assert (await signer.show(signer.sign(jti="1"))).status_code == 200
        clock.advance(minutes=11)
        chores = [chore for room in signer.world.wiring.rooms for chore in room.chores]
        await next(chore.run for chore in chores if chore.name == "spent ids")()
        assert await signer.world.db.fetch("SELECT FROM spent_ids") == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {"exp": -1},
            {"exp": 0},
            {"exp": 86_400},
            {"exp": 700},
            {"iat": 60},
            {"nbf": 60},
        ],
    )
    async def test_its_times_are_bounded(self, signer: Signer, wrong: dict[str, int]) -> None:
        now = signer.claims()["iat"]
        changed = {name: now + ahead for name, ahead in wrong.items()}
        assert is_refused(await signer.show(signer.sign(**changed)))

    async def test_a_clock_that_is_a_little_ahead_is_fine(self, signer: Signer) -> None:
        now = signer.claims()["iat"]
        answer = await signer.show(signer.sign(iat=now + 10.5, nbf=now + 10, exp=now + 600.0))
        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "wrong",
        [
            *({name: None} for name in ("iss", "sub", "exp", "jti")),
            {"iss": "another"},
            {"sub": "another"},
            {"iss": None, "sub": None},
            {"iss": 7, "sub": 7},
            {"iss": "another", "sub": "another"},
            {"jti": ""},
            {"jti": 7},
            {"jti": "x" * 256},
            {"exp": "soon"},
            {"exp": True},
            {"exp": float("nan")},
            {"exp": float("inf")},
            {"exp": 10**400},
            {"iat": "now"},
        ],
        ids=str,
    )
    async def test_its_claims_are_all_there(self, signer: Signer, wrong: dict[str, Any]) -> None:
        unsigned = written({"alg": "EdDSA", "kid": "one"}, signer.claims(**wrong))[:-1]
        assert is_refused(await signer.show(signed(unsigned)))

    async def test_another_client_is_not_named_beside_it(self, signer: Signer) -> None:
        for client_id in ("another", str(signer.program.id).upper()):
            assert is_refused(await signer.show(signer.sign(), client_id=client_id))


class TestFailsClosed:
    """Trap 17: the key and its algorithm are never the header's."""

    async def test_none_is_no_algorithm(self, signer: Signer) -> None:
        for alg in ("none", "None", "NONE", "", None, 7, ["EdDSA"]):
            header = {"alg": alg, "kid": "one"}
            assert is_refused(await signer.show(written(header, signer.claims())))
            assert is_refused(await signer.show(written(header, signer.claims(), b"x" * 64)))

    @pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
    async def test_a_public_key_is_no_secret(self, world: World, algorithm: str) -> None:
        await make_resource(world)
        signer = await make_signer(world, algorithm)
        public = private_key(algorithm).public_key()
        for secret in (
            public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            json.dumps(public_jwk(algorithm)).encode(),
        ):
            algorithms = jwt.PyJWS()
            header = {"alg": "HS256", "kid": "one"}
            unsigned = written(header, signer.claims()).rpartition(".")[0]
            mac = algorithms.get_algorithm_by_name("HS256").sign(unsigned.encode(), secret)
            told = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
            assert is_refused(await signer.show(f"{unsigned}.{told}"))

    @pytest.mark.parametrize(
        "member",
        [
            {"jwk": public_jwk("ES256")},
            {"jku": "https://eve.example.com/jwks.json"},
            {"x5u": "https://eve.example.com/cert.pem"},
            {"x5c": ["MIIB"]},
        ],
        ids=lambda member: next(iter(member)),
    )
    async def test_a_key_of_the_header_counts_for_nothing(
        self, signer: Signer, member: dict[str, Any]
    ) -> None:
        foreign = Signer(signer.program, "ES256")
        for kid in ("one", "two"):
            assert is_refused(await signer.show(foreign.sign({**member, "kid": kid})))
        foreign.header = {}
        assert is_refused(await signer.show(foreign.sign(member)))
        assert (await signer.show(signer.sign(member))).status_code == 200  # ignored

    @pytest.mark.parametrize(
        "header",
        [
            {"typ": "at+jwt"},
            {"typ": "dpop+jwt"},
            {"typ": "logout+jwt"},
            {"typ": 7},
            {"crit": ["exp"], "exp": 1},
            {"crit": []},
            {"crit": ["b64"], "b64": True},
        ],
        ids=str,
    )
    async def test_another_typ_and_extensions_are_refused(
        self, signer: Signer, header: dict[str, Any]
    ) -> None:
        unsigned = written({"alg": "EdDSA", "kid": "one", **header}, signer.claims())[:-1]
        assert is_refused(await signer.show(signed(unsigned)))

    async def test_an_algorithm_is_the_key_s_own(self, world: World) -> None:
        await make_resource(world)
        jwk = {**public_jwk("RS256"), "alg": "PS256"}
        signer = await make_signer(world, "PS256", jwks={"keys": [jwk]})
        assert (await signer.show(signer.sign())).status_code == 200

        signer.algorithm = "RS256"
        assert is_refused(await signer.show(signer.sign()))

    async def test_another_s_key_is_refused(self, signer: Signer) -> None:
        foreign = Ed25519PrivateKey.generate()
        assert is_refused(await signer.show(signer.sign(key=foreign)))

    async def test_a_flip_or_cut_anywhere_is_refused(self, signer: Signer) -> None:
        assertion = signer.sign()
        for place in range(0, len(assertion), 7):
            flipped = "A" if assertion[place] != "A" else "B"
            for changed in (
                assertion[:place],
                assertion[:place] + flipped + assertion[place + 1 :],
            ):
                answer = await signer.show(changed)
                assert answer.status_code in ({401} if changed else {401, 400})
        assert (await signer.show(assertion)).status_code == 200

    @pytest.mark.parametrize(
        "text", ["a.b.c", "..", "x", "e30.e30.e30", "[" * 8000, "x" * 9000, "W10.W10.", "é.ü.x"]
    )
    async def test_what_is_no_jws_is_refused(self, signer: Signer, text: str) -> None:
        assert is_refused(await signer.show(text))


async def test_a_client_that_signs_has_no_secret_and_the_other_way_round(
    signer: Signer,
) -> None:
    program = await make_program(signer.world)
    secret = await signer.program.ask_token()
    assert (secret.status_code, secret.json()["error"]) == (401, "invalid_client")
    assert is_refused(await Signer(program).show(Signer(program).sign()))


async def test_a_disabled_client_and_a_key_that_was_taken_away_are_refused(
    signer: Signer, clock: MovableClock
) -> None:
    assert (await signer.show(signer.sign())).status_code == 200
    await signer.program.change(jwks={"keys": [public_jwk("ES256", "one")]})
    assert is_refused(await signer.show(signer.sign()))

    await signer.program.change(jwks={"keys": [public_jwk("EdDSA", "one")]})
    assert (await signer.show(signer.sign())).status_code == 200
    await signer.program.change(disabled_at=clock.now())
    assert is_refused(await signer.show(signer.sign()))


async def test_the_log_says_why(signer: Signer) -> None:
    with captured_log() as log:
        await signer.show(signer.sign(aud="https://other.example.com"))
    (refused,) = log.named("client_assertion_refused")
    assert refused["reason"] == "aud is not the issuer as a string"
