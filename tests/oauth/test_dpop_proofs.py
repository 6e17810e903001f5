"""Proofs of keys at the token endpoint, and what is wrong with them (RFC 9449 section 4.3)."""

import asyncio
import base64
import json
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from tests.fixtures.clock import MovableClock
from tests.fixtures.holder import TOKEN, Holder
from tests.fixtures.logs import captured_log
from tests.fixtures.programs import Program, own_api
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import World

from keyfob.clients.keys import read_key
from keyfob.oauth.dpop.service import Proofs

FORM = {"grant_type": "client_credentials"}


async def show(program: Program, *proofs: str, by: World | None = None) -> httpx.Response:
    headers = [("DPoP", proof) for proof in proofs]
    api = (by or program.world).api
    return await api.post(TOKEN, data=FORM, auth=program.basic, headers=headers)


async def is_refused(program: Program, *proofs: str, by: World | None = None) -> bool:
    answer = await show(program, *proofs, by=by)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    return True


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "PS256"])
async def test_a_proof_of_each_algorithm_binds_the_token(program: Program, algorithm: str) -> None:
    holder = Holder(program.world, algorithm)

    answer = await holder.ask(FORM, auth=program.basic)

    assert answer.status_code == 200, answer.text
    assert answer.json()["token_type"] == "DPoP"
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert claims["cnf"] == {"jkt": holder.jkt}
    assert answer.headers["dpop-nonce"] == holder.nonce


async def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    # RFC 8037 appendix A.3, and RFC 9449 section 6.1 for the proof of its section 5.
    ed25519 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    p256 = {
        "kty": "EC",
        "crv": "P-256",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    }

    assert read_key(ed25519).thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert read_key(p256).thumbprint == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


async def test_the_name_of_rfc_9864_is_taken_too(program: Program) -> None:
    holder = Holder(program.world, "EdDSA")
    await holder.learn()
    header, claims, _ = holder.proof().split(".")
    named = json.loads(base64.urlsafe_b64decode(header + "=="))
    renamed = base64.urlsafe_b64encode(json.dumps({**named, "alg": "Ed25519"}).encode())
    signed = f"{renamed.rstrip(b'=').decode()}.{claims}"
    signature = base64.urlsafe_b64encode(holder.key.sign(signed.encode())).rstrip(b"=").decode()

    assert (await show(program, f"{signed}.{signature}")).status_code == 200


WRONG_CLAIMS: list[dict[str, Any]] = [
    {"htm": "GET"},
    {"htm": "post"},
    {"htm": None},
    {"htu": None},
    {"htu": 7},
    {"htu": ["https://other.example.com"]},
    {"htu": "https://other.example.com/auth/oauth2/token"},
    {"htu": "/auth/oauth2/token"},
    {"htu": ""},
    {"iat": None},
    {"iat": "now"},
    {"iat": True},
    {"iat": float("inf")},
    {"jti": None},
    {"jti": ""},
    {"jti": 7},
    {"jti": "j" * 256},
    {"exp": 1},
    {"nbf": 2**33},
]


@pytest.mark.parametrize("wrong", WRONG_CLAIMS, ids=str)
async def test_a_claim_that_is_missing_or_wrong_is_refused(
    program: Program, holder: Holder, wrong: dict[str, Any]
) -> None:
    assert await is_refused(program, holder.proof(**wrong))


async def test_the_address_is_that_of_the_issuer_and_never_of_the_host_header(
    program: Program, holder: Holder
) -> None:
    issuer = own_api(program.world)
    forged = holder.proof(htu="https://evil.example/auth/oauth2/token")
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "DPoP": forged}
    api = program.world.api

    answer = await api.post("/oauth2/token", data=FORM, auth=program.basic, headers=headers)

    assert answer.json()["error"] == "invalid_dpop_proof"
    for other in ("/oauth2/revoke", "/oauth2/token/", "/oauth2/Token", "/oauth2/token/x", "/"):
        assert await is_refused(program, holder.proof(htu=issuer + other))
    assert await is_refused(program, holder.proof(htu=issuer.replace("//", "//user@") + TOKEN))


async def test_an_address_that_is_the_same_after_normalisation_is_taken(
    program: Program, holder: Holder
) -> None:
    issuer = own_api(program.world)
    host = issuer.split("/")[2]
    for same in (
        issuer.replace(host, host.upper()).replace("http", "HTTP") + TOKEN,
        issuer + "/x/../oauth2/./token",
        issuer + "/oauth2/%74oken",
        issuer + TOKEN + "?a=b#c",  # RFC 9449 section 4.3: whatever these are
    ):
        assert (await show(program, holder.proof(htu=same))).status_code == 200, same


async def test_a_proof_is_for_minutes(
    program: Program, holder: Holder, clock: MovableClock
) -> None:
    now = clock.timestamp()
    for iat in (now - 301, now - 10**6, now + 31, now + 10**6):
        assert await is_refused(program, holder.proof(iat=iat))
    for iat in (now - 300, now + 30):
        assert (await show(program, holder.proof(iat=iat))).status_code == 200


HEADERS: list[dict[str, Any]] = [
    {"typ": "JWT"},
    {"typ": "at+jwt"},
    {"typ": None},
    {"jwk": None},
    {"jwk": "key"},
    {"jwk": []},
    {"jwk": {}},
    {"jwk": {"kty": "oct", "k": "AAAA"}},
    {"crit": ["exp"]},
    {"crit": []},
    {"b64": False},
    {"jku": "https://evil.example/jwks"},
    {"x5u": "https://evil.example/chain"},
    {"x5c": ["MIIB"]},
]


@pytest.mark.parametrize("wrong", HEADERS, ids=str)
async def test_a_header_that_leads_elsewhere_is_refused(
    program: Program, holder: Holder, wrong: dict[str, Any]
) -> None:
    assert await is_refused(program, holder.proof(header=wrong))


def written(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Write a JWS past every library."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "ES384", "", None, 7, ["ES256"]])
async def test_an_algorithm_that_is_not_offered_is_refused(
    program: Program, holder: Holder, algorithm: Any
) -> None:
    header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": holder.jwk}

    assert await is_refused(program, written(header, holder.claims()))
    assert await is_refused(program, written(header, holder.claims(), b"s" * 64))


async def test_another_key_than_the_embedded_one_has_not_signed(
    program: Program, holder: Holder
) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    mallory = Holder(program.world, key=stranger, jwk=holder.jwk, nonce=holder.nonce)
    head, _, signature = holder.proof().rpartition(".")

    assert await is_refused(program, mallory.proof())
    assert await is_refused(program, f"{head}.{signature[:-4]}AAAA")
    assert await is_refused(program, f"{head}.")
    assert await is_refused(program, f"{head}.{base64.urlsafe_b64encode(bytes(64)).decode()[:-2]}")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_weak_and_private_keys_are_refused(program: Program, holder: Holder) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    jwk = RSAAlgorithm.to_jwk(weak.public_key(), as_dict=True)
    small = Holder(program.world, "PS256", key=weak, jwk=jwk, nonce=holder.nonce)
    private = ECAlgorithm.to_jwk(holder.key, as_dict=True)
    zeros = {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}
    other = ec.generate_private_key(ec.SECP384R1())
    larger = ECAlgorithm.to_jwk(other.public_key(), as_dict=True)

    assert await is_refused(program, small.proof())
    for key in (private, larger):
        assert await is_refused(program, holder.proof(header={"jwk": key}))
    header = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": zeros}
    assert await is_refused(program, written(header, holder.claims(), bytes(64)))


async def test_there_is_one_header_and_one_proof_in_it(program: Program, holder: Holder) -> None:
    one, two = holder.proof(), holder.proof()

    assert await is_refused(program, one, two)
    assert await is_refused(program, one, one)
    for text in (f"{one}, {two}", f"{one},", f" {one}.x", "", "x", "a.b.c", "é" * 40, "A" * 9000):
        answer = await program.world.api.post(
            TOKEN, data=FORM, auth=program.basic, headers={"DPoP": text.encode()}
        )
        assert answer.json()["error"] == "invalid_dpop_proof", text[:20]
    good = await show(program, one)
    assert good.status_code == 200, good.text


async def test_a_deeply_nested_proof_costs_nothing(program: Program) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 1500).rstrip(b"=").decode()

    assert await is_refused(program, f"{deep}.{deep}.AAAA")


class TestOnce:
    """The id of a proof counts once, over all workers (trap 34)."""

    async def test_on_whatever_worker(self, program: Program, holder: Holder, other: World) -> None:
        proof = holder.proof()
        assert (await show(program, proof)).status_code == 200

        assert await is_refused(program, proof)
        assert await is_refused(program, proof, by=other)
        jti = jwt.decode(proof, options={"verify_signature": False})["jti"]
        assert await is_refused(program, holder.proof(jti=jti), by=other)

    async def test_of_many_at_once_one_counts(
        self, program: Program, holder: Holder, other: World
    ) -> None:
        proof = holder.proof()

        shown = [show(program, proof, by=by) for by in (program.world, other) * 10]
        codes = [answer.status_code for answer in await asyncio.gather(*shown)]

        assert sorted(codes) == [200] + [400] * 19

    async def test_another_key_has_ids_of_its_own(self, program: Program, holder: Holder) -> None:
        second = Holder(program.world, "EdDSA", nonce=holder.nonce)

        for one in (holder, second):
            assert (await show(program, one.proof(jti="1"))).status_code == 200

    async def test_who_gets_no_token_writes_no_row(self, program: Program, holder: Holder) -> None:
        stranger = Program(program.world, program.id, "kfs_" + "0" * 49)
        with recorded_statements() as statements:
            assert (await show(stranger, holder.proof())).status_code == 401
            assert await is_refused(program, holder.proof(iat=1))
        await holder.ask({"grant_type": "unknown"}, auth=program.basic)

        assert [one for one in statements if "spent_proofs" in one] == []
        assert await program.world.db.fetchval("SELECT count(*) FROM spent_proofs") == 0

    async def test_ids_go_when_their_nonces_are_not_good_any_more(
        self, program: Program, holder: Holder, clock: MovableClock
    ) -> None:
        world, proof = program.world, holder.proof()
        await show(program, proof)

        clock.advance(300)
        await world.service(Proofs).clean_up()
        assert await world.db.fetchval("SELECT count(*) FROM spent_proofs") == 1
        clock.advance(200)
        await world.service(Proofs).clean_up()
        assert await world.db.fetchval("SELECT count(*) FROM spent_proofs") == 0


class TestNonces:
    """A nonce is made from the clock by a MAC, so that any worker checks it without a row."""

    async def test_is_asked_for_before_the_client_is_looked_at(self, program: Program) -> None:
        with recorded_statements() as statements:
            answer = await show(program, Holder(program.world).proof())

        assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
        assert answer.headers["dpop-nonce"]
        assert answer.headers["cache-control"] == "no-store"
        assert statements == []

    async def test_any_worker_takes_it(
        self, program: Program, holder: Holder, other: World
    ) -> None:
        assert (await show(program, holder.proof(), by=other)).status_code == 200

    @pytest.mark.parametrize("nonce", ["", "x", "A" * 32, "é" * 32, 7, ["x"]])
    async def test_nobody_else_makes_one(
        self, program: Program, holder: Holder, nonce: Any
    ) -> None:
        answer = await show(program, holder.proof(nonce=nonce))

        assert answer.json()["error"] == "use_dpop_nonce"

    async def test_none_that_is_changed_is_taken(self, program: Program, holder: Holder) -> None:
        good = holder.nonce or ""
        for at in range(len(good)):
            changed = good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :]
            answer = await show(program, holder.proof(nonce=changed))
            assert answer.json()["error"] == "use_dpop_nonce", at

    async def test_lives_a_minute_or_two(
        self, program: Program, holder: Holder, clock: MovableClock
    ) -> None:
        clock.advance(60)
        assert (await show(program, holder.proof())).status_code == 200
        clock.advance(60)
        answer = await show(program, holder.proof())
        assert answer.json()["error"] == "use_dpop_nonce"

        again = Holder(program.world, nonce=answer.headers["dpop-nonce"])
        assert (await show(program, again.proof())).status_code == 200

    async def test_a_good_answer_tells_the_next(
        self, program: Program, holder: Holder, clock: MovableClock
    ) -> None:
        clock.advance(60)
        answer = await show(program, holder.proof())

        assert answer.headers["dpop-nonce"] != holder.nonce


async def test_the_log_says_why_and_the_answer_does_not(program: Program, holder: Holder) -> None:
    with captured_log() as log:
        answer = await show(program, holder.proof(htm="GET"))

    (refused,) = log.named("dpop_proof_refused")
    assert refused["reason"] == "htm is another method"
    assert "htm" not in answer.text


async def test_without_a_proof_nothing_changes(program: Program) -> None:
    answer = await program.ask_token()

    assert answer.json()["token_type"] == "Bearer"
    assert "dpop-nonce" not in answer.headers
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert "cnf" not in claims


async def test_a_client_that_is_bound_gets_nothing_without_a_proof(program: Program) -> None:
    await program.change(dpop_bound=True)

    refused = await program.ask_token()
    given = await Holder(program.world).ask(FORM, auth=program.basic)

    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")
    assert given.json()["token_type"] == "DPoP"


ODD: list[object] = [[], {}, None, 1, 1.5, True, "\ud800", "", ["a"], 10**400]


@pytest.mark.parametrize("odd", ODD, ids=[repr(one)[:8] for one in ODD])
async def test_nothing_odd_in_a_proof_is_a_fault_of_ours(program: Program, odd: object) -> None:
    """Threat: any stranger fills the log with faults, uncounted."""
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": {"kty": "EC", "crv": "P-256"}}
    heads: list[dict[str, object]] = [{**head, name: odd} for name in (*head, "crit", "kid")]
    heads += [
        {**head, "jwk": {"kty": "EC", "crv": "P-256", member: odd}}
        for member in ("kty", "crv", "alg", "x", "use", "key_ops", "kid")
    ]
    texts = [
        b".".join(
            base64.urlsafe_b64encode(part).rstrip(b"=")
            for part in (json.dumps(one).encode(), b"{}", b"xx")
        ).decode()
        for one in heads
    ]

    assert [await is_refused(program, text) for text in texts] == [True] * len(texts)
