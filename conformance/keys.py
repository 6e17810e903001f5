"""Keys for clients that authenticate by a key of their own (RFC 7523)."""

from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm


class ClientKey(NamedTuple):
    """A key, as JWK Sets: `public` for the registration, `private` for the client."""

    public: dict[str, Any]
    private: dict[str, Any]


def make_key(kid: str, algorithm: str) -> ClientKey:
    """Return a new key for ES256 or PS256."""
    public, private = _new_rsa() if algorithm == "PS256" else _new_ec()
    for jwk in (public, private):
        jwk.pop("key_ops", None)  # `use` says it already
        jwk.update(kid=kid, alg=algorithm, use="sig")
    return ClientKey({"keys": [public]}, {"keys": [private]})


def _new_ec() -> tuple[dict[str, Any], dict[str, Any]]:
    key = ec.generate_private_key(ec.SECP256R1())
    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return public, ECAlgorithm.to_jwk(key, as_dict=True)


def _new_rsa() -> tuple[dict[str, Any], dict[str, Any]]:
    key = rsa.generate_private_key(65537, 2048)
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return public, RSAAlgorithm.to_jwk(key, as_dict=True)
