"""Keys for clients that authenticate by a key of their own (RFC 7523)."""

from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm


class ClientKey(NamedTuple):
    """A key for ES256, as JWK Sets: `public` for the registration, `private` for the client."""

    public: dict[str, Any]
    private: dict[str, Any]


def make_key(kid: str) -> ClientKey:
    """Return a new key."""
    key = ec.generate_private_key(ec.SECP256R1())
    more = {"kid": kid, "alg": "ES256", "use": "sig"}
    public = {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), **more}
    private = {**ECAlgorithm.to_jwk(key, as_dict=True), **more}
    for jwk in (public, private):
        jwk.pop("key_ops", None)  # `use` says it already
    return ClientKey({"keys": [public]}, {"keys": [private]})
