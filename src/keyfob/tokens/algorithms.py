"""The signature algorithms: making, writing and reading key pairs, and signing with them."""

from typing import Any, cast

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import PyJWS
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from keyfob.core.secrets import compare_digest
from keyfob.tokens.models import PrivateKey, PublicKey, SigningKey

_jws = PyJWS(algorithms=["EdDSA", "ES256", "RS256"])


def generate(algorithm: str) -> PrivateKey:
    """Return a new private key: Ed25519 (RFC 8037), P-256 (RFC 7518 3.4) or 3,072-bit RSA (3.3)."""
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=3072)


def to_pkcs8(key: PrivateKey) -> bytes:
    """Return a private key as DER."""
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def from_pkcs8(data: bytes) -> PrivateKey:
    """Read a private key from DER that `to_pkcs8` wrote and nobody else could have changed.

    That an RSA key is one is not proven again: OpenSSL takes 0.1 s for it, in the event loop.
    """
    key = serialization.load_der_private_key(data, None, unsafe_skip_rsa_key_validation=True)
    return cast("PrivateKey", key)


def to_jwk(algorithm: str, kid: str, key: PublicKey) -> dict[str, Any]:
    """Return the public half as a JWK (RFC 7517 section 4)."""
    jwk: dict[str, Any]
    if isinstance(key, ed25519.Ed25519PublicKey):
        jwk = OKPAlgorithm.to_jwk(key, as_dict=True)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        jwk = ECAlgorithm.to_jwk(key, as_dict=True)
    else:
        jwk = RSAAlgorithm.to_jwk(key, as_dict=True)
    jwk.pop("key_ops", None)
    return {**jwk, "kid": kid, "use": "sig", "alg": algorithm}


def sign(key: SigningKey, message: bytes) -> bytes:
    """Return the key's signature of the message, in the form of JWS (RFC 7518 section 3)."""
    return _jws.get_algorithm_by_name(key.algorithm).sign(message, key.private_key)


def has_signed(key: SigningKey, message: bytes, signature: bytes) -> bool:
    """Tell whether the signature is this key's signature of the message.

    An Ed25519 signature depends only on key and message (RFC 8032 section 5.1.6), and the private
    half is available here: signing again costs a third of verifying, and accepts no other encoding
    of a signature. Threat: a comparison that ends at the first difference would reveal the right
    signature byte by byte.
    """
    if isinstance(key.private_key, ed25519.Ed25519PrivateKey):
        return compare_digest(key.private_key.sign(message), signature)
    return _jws.get_algorithm_by_name(key.algorithm).verify(message, key.public_key, signature)
