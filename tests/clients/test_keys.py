"""Keys that clients register or publish: which are good, and which are refused."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from tests.fixtures.assertions import private_key, public_jwk

from keyfob.clients.keys import read_published
from keyfob.clients.uris import ensure_jwks, ensure_jwks_uri

GOOD = [public_jwk(alg, kid) for alg, kid in (("EdDSA", "a"), ("ES256", "b"), ("RS256", "c"))]


def number(value: int) -> str:
    size = (value.bit_length() + 7) // 8
    return base64.urlsafe_b64encode(value.to_bytes(size, "big")).rstrip(b"=").decode()


# The points of Ed25519 with an order of at most eight, by their y coordinate.
PRIME = 2**255 - 19
OF_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER = (0, 1, PRIME - 1, OF_ORDER_8, PRIME - OF_ORDER_8)


def point(encoded: int) -> str:
    return base64.urlsafe_b64encode(encoded.to_bytes(32, "little")).rstrip(b"=").decode()


def of_bits(bits: int) -> dict[str, Any]:
    public = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    return {**RSAAlgorithm.to_jwk(public, as_dict=True), "kid": "a"}


def test_keys_of_each_kind_are_good() -> None:
    assert ensure_jwks({"keys": GOOD}) == {"keys": GOOD}
    assert len(read_published(200, json.dumps({"keys": GOOD, "more": 1}).encode())) == 3


BAD: list[Any] = [
    7,
    {},
    {"kty": ["OKP"]},
    {"kty": "oct", "k": "c2VjcmV0"},
    {"kty": "OKP", "crv": "X25519", "x": GOOD[0]["x"]},
    {"kty": "OKP", "crv": "Ed448", "x": GOOD[0]["x"]},
    {"kty": "OKP", "crv": "Ed25519"},
    {"kty": "OKP", "crv": "Ed25519", "x": 7},
    {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
    *({**GOOD[0], "x": point(y)} for y in SMALL_ORDER),
    *({**GOOD[0], "x": point(y + 2**255)} for y in SMALL_ORDER),
    *({**GOOD[0], "x": point(PRIME + y)} for y in (0, 1, 2)),
    {**GOOD[0], "d": GOOD[0]["x"]},
    {**GOOD[0], "use": "enc"},
    {**GOOD[0], "key_ops": ["sign"]},
    {**GOOD[0], "key_ops": 7},
    {**GOOD[0], "alg": "ES256"},
    {**GOOD[0], "alg": "none"},
    {**GOOD[0], "alg": 7},
    {**GOOD[0], "kid": 7},
    {**GOOD[0], "kid": ""},
    {**GOOD[1], "crv": "P-384"},
    {**GOOD[1], "y": GOOD[1]["x"]},
    {**GOOD[2], "alg": "HS256"},
    {**GOOD[2], "alg": "RS1"},
    {**GOOD[2], "e": number(2**64 + 1)},
    {**GOOD[2], "n": number(2**8192 + 1)},
    {**GOOD[2], "n": 7},
]


@pytest.mark.parametrize("jwk", BAD, ids=range(len(BAD)))
def test_another_key_is_refused_or_left_out(jwk: Any) -> None:
    with pytest.raises(ValueError, match="should"):
        ensure_jwks({"keys": [jwk]})
    published = json.dumps({"keys": [jwk, GOOD[0]]}).encode()
    assert [key.kid for key in read_published(200, published)] == ["a"]


def test_a_small_rsa_key_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2,048 to 4,096 bits"):
        ensure_jwks({"keys": [of_bits(1024)]})
    assert private_key("RS256").key_size == 2048


@pytest.mark.parametrize(
    "jwks",
    [
        {},
        {"keys": []},
        {"keys": {}},
        {"keys": GOOD[:1] * 11},
        {"keys": GOOD, "more": 1},
        {"keys": [GOOD[0], GOOD[0]]},
        {"keys": [GOOD[0], public_jwk("ES256", None)]},
    ],
    ids=range(7),
)
def test_what_is_no_set_of_keys_is_refused(jwks: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="should"):
        ensure_jwks(jwks)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"keys": 7}', b"[" * 60_000, b"\xff", b'{"keys": [%s1]}' % (b"1," * 200)],
)
def test_what_is_published_is_a_set_of_keys(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the library, or of ours
        read_published(200, body)


@pytest.mark.parametrize(
    "uri",
    [
        "http://keys.example.com/",
        "https://",
        "https:///jwks",
        "https://a@b.example/",
        "https://b.example\\@c.example/",
        "https://b.example:99999/",
        "https://b.example/#x",
        "file:///etc/passwd",
    ],
)
def test_keys_are_published_by_https(uri: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the library, or of ours
        ensure_jwks_uri(uri)
    assert ensure_jwks_uri("https://keys.example.com:8443/jwks?a=b")
