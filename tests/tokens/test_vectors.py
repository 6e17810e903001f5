"""The signature algorithms against the RFCs' own examples, and against cryptography directly."""

import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from jwt import PyJWS
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.exceptions import InvalidSignatureError
from tests.fixtures.clock import START
from tests.fixtures.hostile import claims_of, decode, each_change, forge, header_of
from tests.tokens.conftest import MakeKeyring, MakeTokens
from tests.tokens.keys import CLAIMS

from keyfob.tokens import algorithms
from keyfob.tokens.models import PrivateKey, PublicKey, SigningKey

ALGORITHMS = ["EdDSA", "ES256", "RS256"]
JWS = PyJWS(algorithms=ALGORITHMS)

# RFC 8037 appendices A.1, A.2 and A.4.
ED25519_PRIVATE = {
    "kty": "OKP",
    "crv": "Ed25519",
    "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
ED25519_TOKEN = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)

# RFC 7515 appendix A.3.
P256_PUBLIC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
P256_TOKEN = (
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)

# RFC 7515 appendix A.2.
RSA_PUBLIC = {
    "kty": "RSA",
    "n": (
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0"
        "Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXnd"
        "S5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5Ihl"
        "JH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
    ),
    "e": "AQAB",
}
RSA_TOKEN = (
    "eyJhbGciOiJSUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2"
    "Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjt"
    "QBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6"
    "IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)

VECTORS: dict[str, tuple[Any, dict[str, str], str, bytes]] = {
    "EdDSA": (OKPAlgorithm, ED25519_PRIVATE, ED25519_TOKEN, b"Example of Ed25519 signing"),
    "ES256": (
        ECAlgorithm,
        P256_PUBLIC,
        P256_TOKEN,
        b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}',
    ),
    "RS256": (
        RSAAlgorithm,
        RSA_PUBLIC,
        RSA_TOKEN,
        b'{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}',
    ),
}


def public_key_of(algorithm: str) -> PublicKey:
    reader, jwk, _, _ = VECTORS[algorithm]
    key: Any = reader.from_jwk(jwk)
    return key.public_key() if isinstance(key, ed25519.Ed25519PrivateKey) else key


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_rfcs_example_verifies_and_no_other_does(algorithm: str) -> None:
    _, _, token, payload = VECTORS[algorithm]
    key: Any = public_key_of(algorithm)

    assert JWS.decode(token, key, algorithms=[algorithm]) == payload

    signature_at = token.rindex(".") + 1
    for changed in each_change(token, start=signature_at)[:-1:7]:
        with pytest.raises(InvalidSignatureError):
            JWS.decode(changed, key, algorithms=[algorithm])


def test_ed25519_signs_the_rfcs_example_byte_for_byte() -> None:
    key: Any = OKPAlgorithm.from_jwk(ED25519_PRIVATE)

    signed = JWS.encode(b"Example of Ed25519 signing", key, "EdDSA", headers={"typ": None})

    assert signed == ED25519_TOKEN


def rfc_key() -> SigningKey:
    private: Any = OKPAlgorithm.from_jwk(ED25519_PRIVATE)
    return SigningKey(1, "kid", "EdDSA", {}, START, START, None, private.public_key(), private)


def test_signing_again_tells_the_rfcs_example_from_every_other() -> None:
    message, _, signature = ED25519_TOKEN.encode().rpartition(b".")
    true = decode(signature.decode())

    assert algorithms.has_signed(rfc_key(), message, true)
    for wrong in (true[:-1], true + b"\0", b"", bytes(64), true[32:] + true[:32]):
        assert not algorithms.has_signed(rfc_key(), message, wrong)
    for bit in range(0, 512, 7):
        flipped = (int.from_bytes(true) ^ 1 << bit).to_bytes(64)
        assert not algorithms.has_signed(rfc_key(), message, flipped)
    assert not algorithms.has_signed(rfc_key(), message + b"x", true)


def test_the_same_signature_in_another_spelling_is_none() -> None:
    # RFC 8032 section 8.4: with S + L in place of S the equation holds as well.
    order = 2**252 + 27742317777372353535851937790883648493
    message, _, signature = ED25519_TOKEN.encode().rpartition(b".")
    true = decode(signature.decode())

    spelled = true[:32] + (int.from_bytes(true[32:], "little") + order).to_bytes(32, "little")

    assert not algorithms.has_signed(rfc_key(), message, spelled)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_is_written_as_the_rfc_writes_it(algorithm: str) -> None:
    public = {name: value for name, value in VECTORS[algorithm][1].items() if name != "d"}

    jwk = algorithms.to_jwk(algorithm, "a kid", public_key_of(algorithm))

    assert jwk == {**public, "kid": "a kid", "use": "sig", "alg": algorithm}


def raw_sign(key: PrivateKey, message: bytes) -> bytes:
    """Sign by RFC 7518 sections 3.3 and 3.4 and RFC 8037 section 3.1, without PyJWT."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), SHA256())
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def raw_verify(key: PublicKey, message: bytes, signature: bytes) -> None:
    if isinstance(key, ed25519.Ed25519PublicKey):
        key.verify(signature, message)
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, message, padding.PKCS1v15(), SHA256())
    else:
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_each_algorithm_signs_and_verifies_through_the_keyring(
    algorithm: str, make_keyring: MakeKeyring, make_tokens: MakeTokens
) -> None:
    keyring = make_keyring(algorithm)
    await keyring.load()
    tokens = make_tokens(keyring)
    key = keyring.active()

    token = tokens.issue(CLAIMS)[0]

    assert header_of(token) == {"typ": "at+jwt", "alg": algorithm, "kid": key.kid}
    message, _, signature = token.rpartition(".")
    raw_verify(key.public_key, message.encode(), decode(signature))
    with pytest.raises(InvalidSignature):
        raw_verify(key.public_key, message.encode() + b"x", decode(signature))
    assert tokens.verify(token).claims == CLAIMS

    signed_elsewhere = forge(
        header_of(token), claims_of(token), lambda data: raw_sign(key.private_key, data)
    )
    assert tokens.verify(signed_elsewhere).claims == CLAIMS


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_the_published_key_alone_verifies_a_token(
    algorithm: str, make_keyring: MakeKeyring, make_tokens: MakeTokens
) -> None:
    keyring = make_keyring(algorithm)
    await keyring.load()
    token = make_tokens(keyring).issue(CLAIMS)[0]

    (jwk,) = json.loads(keyring.jwks)["keys"]

    published: Any = VECTORS[algorithm][0].from_jwk(jwk)
    assert json.loads(JWS.decode(token, published, algorithms=[jwk["alg"]])) == claims_of(token)
