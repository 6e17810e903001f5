"""Public keys of clients, as JWKs (RFC 7517): which kinds there are, and how large."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import InvalidKeyError, PyJWS
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from keyfob.core.encoding import to_base64url

PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey

# The algorithms that an assertion may be signed with, as metadata names them (RFC 8414 section 2).
ALGORITHMS = ("EdDSA", "Ed25519", "ES256", "PS256", "RS256")

# One algorithm with two names: of RFC 8037 section 3.1, and of RFC 9864 section 2.2, which newer
# libraries write, in the headers that they sign and in their keys.
_ED25519 = frozenset({"EdDSA", "Ed25519"})

_jws = PyJWS(algorithms=["EdDSA", "ES256", "PS256", "RS256"])

# Larger keys, and larger exponents, are slow to verify with.
_RSA_BITS = range(2048, 4096 + 1)
_PRIME = 2**255 - 19
# The y coordinates of the eight points.
_OF_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = frozenset({0, 1, _PRIME - 1, _OF_ORDER_8, _PRIME - _OF_ORDER_8})
_MOST_EXPONENT = 2**32
_MOST_KEYS = 10
_MOST_PUBLISHED = 100
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class ClientKey(NamedTuple):
    """A public key, its `kid` if it has one, and the algorithms that it may be used with."""

    kid: str | None
    algorithms: frozenset[str]
    key: PublicKey

    def has_signed(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        """Tell whether this key signed the message, with one of its own algorithms."""
        if algorithm not in self.algorithms:
            return False
        known_as = "EdDSA" if algorithm in _ED25519 else algorithm
        return bool(_jws.get_algorithm_by_name(known_as).verify(message, self.key, signature))

    @property
    def thumbprint(self) -> str:
        """The SHA-256 of the key, by which it is named (RFC 7638 section 3, RFC 8037 section 2).

        It is of the key itself and not of the JWK, so that a key has one, however it is written.
        """
        members = json.dumps(_members_of(self.key), separators=(",", ":"), sort_keys=True)
        return _text(hashlib.sha256(members.encode()).digest())


def read_registered(jwks: Mapping[str, Any]) -> tuple[ClientKey, ...]:
    """Return the keys of a JWK Set that is registered, which are all good.

    Raises:
        ValueError: one of them is not, or they cannot be told apart.
    """
    given = jwks.get("keys")
    if set(jwks) != {"keys"} or not isinstance(given, list) or not 1 <= len(given) <= _MOST_KEYS:
        raise ValueError(f"should be a JWK Set of 1 to {_MOST_KEYS} keys")
    keys = tuple(read_key(jwk) for jwk in given)
    if len(keys) > 1 and len({key.kid for key in keys} - {None}) < len(keys):
        raise ValueError("should have a kid in each key, all different")
    return keys


def read_published(status: int, body: bytes) -> tuple[ClientKey, ...]:
    """Return the usable keys of a JWK Set as clients publish it, possibly with keys of other kinds.

    Raises:
        ValueError: it is not a JWK Set, or not the answer to a request that succeeded.
    """
    if status != 200:
        raise ValueError(f"status {status}")
    try:
        jwks = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    given = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(given, list) or len(given) > _MOST_PUBLISHED:
        raise ValueError("not a JWK Set")
    return tuple(key for jwk in given if (key := _read_if_good(jwk)) is not None)


def choose_key(keys: Sequence[ClientKey], kid: str | None, algorithm: str) -> ClientKey | None:
    """Return the key that a signature's header names, or the only one if it names none."""
    suited = [key for key in keys if algorithm in key.algorithms]
    named = [key for key in suited if key.kid == kid] if kid is not None else suited
    if not named and len(keys) == 1 and keys[0].kid is None:
        named = suited
    return named[0] if len(named) == 1 else None


def _read_if_good(jwk: object) -> ClientKey | None:
    try:
        return read_key(jwk)
    except ValueError:
        return None


def read_key(jwk: object) -> ClientKey:
    """Return the key of one JWK, if it is good.

    Raises:
        ValueError: it is no public key for signatures, or of a kind or size that is not supported.
    """
    if not isinstance(jwk, dict) or "kty" not in jwk:
        raise ValueError("should have keys that are JWKs")
    if _PRIVATE_MEMBERS & jwk.keys():
        raise ValueError("should have public keys alone; this one is to be made anew")
    uses = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(uses, list) or "verify" not in uses:
        raise ValueError("should have keys for signatures (use: sig)")
    kid = jwk.get("kid")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= 255):
        raise ValueError("should have each kid as a text of 1 to 255 characters")
    key, fitting = _read_public(jwk)
    named = jwk.get("alg")
    if isinstance(named, str):
        fitting &= _ED25519 if named in _ED25519 else {named}
    if not fitting or not isinstance(jwk.get("alg", ""), str):
        raise ValueError(f"should have keys for {', '.join(ALGORITHMS)}")
    return ClientKey(kid, fitting, key)


def _read_public(jwk: dict[str, Any]) -> tuple[PublicKey, frozenset[str]]:
    """Return a key and the algorithms of its kind (RFC 7518 section 3.1, RFC 8037 section 3.1)."""
    kind = (jwk["kty"], jwk.get("crv"))
    try:
        if kind == ("OKP", "Ed25519"):
            return _read_ed25519(jwk), _ED25519
        if kind == ("EC", "P-256"):
            return ECAlgorithm.from_jwk(jwk), frozenset({"ES256"})  # type: ignore[return-value] # without `d`
        rsa_key = RSAAlgorithm.from_jwk(jwk) if jwk["kty"] == "RSA" else None
    except (InvalidKeyError, ValueError, TypeError, AttributeError) as fault:
        raise ValueError("should have keys that can be read") from fault
    if not isinstance(rsa_key, rsa.RSAPublicKey):
        raise ValueError(  # noqa: TRY004 - of the value that somebody sent
            "should have keys of Ed25519, P-256 or RSA"
        )
    if rsa_key.key_size not in _RSA_BITS or rsa_key.public_numbers().e > _MOST_EXPONENT:
        raise ValueError("should have RSA keys of 2,048 to 4,096 bits, with a usual exponent")
    return rsa_key, frozenset({"PS256", "RS256"})


def _read_ed25519(jwk: dict[str, Any]) -> ed25519.Ed25519PublicKey:
    """Read a key, but none of the points for which anybody can sign, nor an unusual form of one.

    Threat: a key of zeros, as a template may have it, accepts signatures that no private key made.

    Raises:
        ValueError: the order of the point is at most eight (RFC 7748 section 6), or its coordinate
            is not below the prime (RFC 8032 section 5.1.3).
    """
    key: ed25519.Ed25519PublicKey = OKPAlgorithm.from_jwk(jwk)  # type: ignore[assignment] # by its curve
    y = int.from_bytes(key.public_bytes_raw(), "little") & ((1 << 255) - 1)
    if y in _SMALL_ORDER or y >= _PRIME:
        raise ValueError("a point of small order")
    return key


def _members_of(key: PublicKey) -> dict[str, str]:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return {"crv": "Ed25519", "kty": "OKP", "x": _text(key.public_bytes_raw())}
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        x, y = (_text(part.to_bytes(32, "big")) for part in (point.x, point.y))
        return {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    numbers = key.public_numbers()
    n, e = (_text(part.to_bytes((part.bit_length() + 7) // 8)) for part in (numbers.n, numbers.e))
    return {"e": e, "kty": "RSA", "n": n}


def _text(data: bytes) -> str:
    return to_base64url(data).decode("ascii")
