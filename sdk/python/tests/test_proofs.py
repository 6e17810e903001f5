import base64
import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from tests.issuer import Issuer

from keyfob_client import InvalidToken, Verifier
from keyfob_client.proofs import ProofCheck, SeenHere, Shown, thumbprint

ORIGIN = "https://orders.example.com"
URL = f"{ORIGIN}/orders/1"
KEY = ec.generate_private_key(ec.SECP256R1())


def public(key: Any = KEY) -> dict[str, Any]:
    kinds = {ec.EllipticCurvePrivateKey: ECAlgorithm, rsa.RSAPrivateKey: RSAAlgorithm}
    kind: Any = next((one for of, one in kinds.items() if isinstance(key, of)), OKPAlgorithm)
    jwk: dict[str, Any] = kind.to_jwk(key.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    return jwk


def hash_of(token: str) -> str:
    digest = hashlib.sha256(token.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def proof(
    token: str, *, header: Any = None, key: Any = KEY, alg: str = "ES256", **more: Any
) -> str:
    claims = {"htm": "GET", "htu": URL, "iat": int(time.time()), "ath": hash_of(token)}
    claims |= {"jti": f"{time.monotonic_ns()}", **more}
    kept = {name: value for name, value in claims.items() if value is not None}
    named = {"typ": "dpop+jwt", "jwk": public(key), **(header or {})}
    return jwt.encode(kept, key, alg, named)


def shown(token: str, *proofs: str, scheme: str = "DPoP", method: str = "GET") -> Shown:
    return Shown(method, URL, f"{scheme} {token}", proofs)


@pytest.fixture
def checking(make_verifier: Callable[..., Verifier]) -> Verifier:
    return make_verifier(check_proof=ProofCheck(ORIGIN))


@pytest.fixture
def token(issuer: Issuer) -> str:
    return issuer.token(cnf={"jkt": thumbprint(public())})


def is_refused(verifier: Verifier, token: str, presented: object) -> bool:
    with pytest.raises(InvalidToken, match="not_proven"):
        verifier.verify(token, presented)
    return True


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "PS256"])
def test_a_bound_token_is_believed_with_its_proof(
    issuer: Issuer, checking: Verifier, algorithm: str
) -> None:
    keys: dict[str, Any] = {
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        "ES256": KEY,
        "PS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    }
    key = keys[algorithm]
    token = issuer.token(cnf={"jkt": thumbprint(public(key))})

    for _ in range(2):
        given = proof(token, key=key, alg=algorithm)
        assert checking.verify(token, shown(token, given)).claims["cnf"]


def test_without_a_check_no_bound_token_is_believed(verifier: Verifier, token: str) -> None:
    assert is_refused(verifier, token, None)
    assert is_refused(verifier, token, shown(token, proof(token)))


def test_it_is_never_a_bearer_token(checking: Verifier, token: str) -> None:
    assert checking.verify(token, shown(token, proof(token)))
    assert is_refused(checking, token, None)
    assert is_refused(checking, token, shown(token))
    assert is_refused(checking, token, shown(token, proof(token), scheme="Bearer"))


WRONG: list[dict[str, Any]] = [
    {"htm": "POST"},
    {"htu": "https://evil.example/orders/1"},
    {"htu": f"{ORIGIN}/orders/2"},
    {"htu": "https://user@orders.example.com/orders/1"},
    {"htu": None},
    {"htu": 7},
    {"ath": None},
    {"ath": hash_of("other")},
    {"iat": 1},
    {"iat": 2**40},
    {"iat": None},
    {"iat": True},
    {"jti": None},
    {"jti": ""},
    {"jti": 7},
    {"jti": "j" * 256},
    {"header": {"typ": "JWT"}},
    {"header": {"jwk": None}},
    {"header": {"jwk": "key"}},
    {"header": {"jwk": {"kty": "oct", "k": "AA"}}},
    {"header": {"jku": "https://evil.example"}},
    {"header": {"crit": ["exp"]}},
    {"header": {"jwk": ECAlgorithm.to_jwk(KEY, as_dict=True)}},
    {"key": ec.generate_private_key(ec.SECP256R1())},
    {"key": ec.generate_private_key(ec.SECP256R1()), "header": {"jwk": public()}},
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong)[:40])
def test_a_proof_for_anything_else_is_none(
    checking: Verifier, token: str, wrong: dict[str, Any]
) -> None:
    assert is_refused(checking, token, shown(token, proof(token, **wrong)))


def test_a_proof_counts_once_and_comes_alone(checking: Verifier, token: str) -> None:
    one, two = proof(token), proof(token)

    assert is_refused(checking, token, shown(token, one, two))
    assert is_refused(checking, token, shown(token, f"{one}, {two}"))
    assert checking.verify(token, shown(token, one))
    assert is_refused(checking, token, shown(token, one))
    assert is_refused(checking, token, shown(token, "é"))
    assert is_refused(checking, token, shown(token, "A" * 5000))


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "", None, 7])
def test_no_other_algorithm_counts(checking: Verifier, token: str, algorithm: Any) -> None:
    header = {"typ": "dpop+jwt", "alg": algorithm, "jwk": public()}
    claims = {"htm": "GET", "htu": URL, "iat": int(time.time()), "jti": "1", "ath": hash_of(token)}
    parts = (json.dumps(part).encode() for part in (header, claims))
    text = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)

    assert is_refused(checking, token, shown(token, f"{text}."))


def test_an_address_is_the_same_in_other_letters_and_with_its_port(
    checking: Verifier, token: str
) -> None:
    for htu in (URL.replace("orders.example.com", "Orders.Example.COM:443"), f"{URL}?a=b#c"):
        assert checking.verify(token, shown(token, proof(token, htu=htu)))


def test_what_frameworks_have_is_read(checking: Verifier, token: str) -> None:
    def scope() -> dict[str, Any]:
        named = {b"authorization": f"DPoP {token}", b"dpop": proof(token), b"host": "evil.example"}
        headers = [(name, text.encode()) for name, text in named.items()]
        return {"type": "http", "method": "GET", "path": "/orders/1", "headers": headers}

    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/orders",
        "PATH_INFO": "/1",
        "HTTP_HOST": "evil.example",
        "HTTP_AUTHORIZATION": f"DPoP {token}",
    }
    assert checking.verify(token, scope())
    assert checking.verify(token, type("Request", (), {"scope": scope()})())
    assert checking.verify(token, {**environ, "HTTP_DPOP": proof(token)})
    assert checking.verify(
        token, type("Request", (), {"META": {**environ, "HTTP_DPOP": proof(token)}})()
    )
    assert is_refused(checking, token, environ)
    assert is_refused(checking, token, {"type": "websocket"})


def test_the_memory_is_bounded_and_forgets_in_time() -> None:
    now = [1000.0]
    seen = SeenHere(most=2, clock=lambda: now[0])

    assert seen.is_new("a", 1010)
    assert not seen.is_new("a", 1010)
    now[0] = 1010
    assert seen.is_new("a", 1020)
    assert seen.is_new("b", 1020)
    assert not seen.is_new("c", 1020), "what counts is not forgotten for it"
    assert not seen.is_new("a", 1020)
    now[0] = 1020
    assert seen.is_new("c", 1030), "what counts no more is forgotten for it"


def test_proofs_of_one_key_leave_places_for_those_of_others() -> None:
    now = [1000.0]
    seen = SeenHere(most=100, clock=lambda: now[0])

    counted = [seen.is_new(f"greedy {number}", 1070) for number in range(200)]

    assert sum(counted) == 50
    for other in range(10):
        assert seen.is_new(f"key-{other} 1", 1070)
    assert not seen.is_new("greedy 0", 1070), "what counts is not forgotten for them"
    now[0] = 1070
    assert seen.is_new("greedy 0", 1140)


@pytest.mark.parametrize("origin", ["", "orders.example.com", f"{ORIGIN}/orders", "ftp://x"])
def test_an_origin_has_no_path(origin: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        ProofCheck(origin)
