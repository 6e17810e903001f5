"""The public keys of an issuer: reading a JWK Set (RFC 7517), and finding a token's key in it."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import jwt

from keyfob_client.errors import InvalidToken, UnknownKey

# The algorithms that a key is good for, by its type and curve; never those of a token's header
# (RFC 8725 section 3.1). Symmetric keys are of no type here, so no public key becomes a secret.
_ALGORITHMS = {
    ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),  # the second name is that of RFC 9864
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("RSA", ""): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
}
_SAME = {"EdDSA": "Ed25519", "Ed25519": "EdDSA"}
_SMALLEST_RSA_KEY = 2048  # bits, RFC 7518 section 3.3
_MOST_KEYS = 100
_MOST_HEADERS = 64


class Key(NamedTuple):
    """A public key, for one algorithm."""

    kid: str | None
    algorithm: Any  # of PyJWT, whose public type says nothing of `verify`
    public: Any

    def has_signed(self, message: bytes, signature: bytes) -> bool:
        """Tell whether the signature is this key's signature of the message."""
        return bool(self.algorithm.verify(message, self.public, signature))


class KeySet:
    """The keys of an issuer at one time.

    It remembers the headers of tokens that its keys have signed, so that each need be read once.
    """

    def __init__(self, keys: Mapping[tuple[str | None, str], Key]) -> None:
        self._keys = keys
        self._headers: dict[tuple[frozenset[str], str], Key] = {}

    def __len__(self) -> int:
        return len({key.kid for key in self._keys.values()})

    def find(self, kid: object, algorithm: object) -> Key:
        """Return the key with this id that is good for this algorithm.

        A token without a `kid` is taken to be signed by the only key for its algorithm.

        Raises:
            InvalidToken: the algorithm is none that any key here is good for.
            UnknownKey: there is no such key.
        """
        if not isinstance(algorithm, str) or not isinstance(kid, str | None):
            raise InvalidToken("malformed")
        if kid is None:
            fit = [key for (_, name), key in self._keys.items() if name == algorithm]
            if len(fit) != 1:
                raise InvalidToken("no_key_named")
            return fit[0]
        if key := self._keys.get((kid, algorithm)):
            return key
        if any(known == kid for known, _ in self._keys):
            raise InvalidToken("wrong_algorithm")
        raise UnknownKey

    def recall(self, types: frozenset[str], header: str) -> Key | None:
        """Return the key of a header that was read before, of a token of such a type."""
        return self._headers.get((types, header))

    def remember(self, types: frozenset[str], header: str, key: Key) -> None:
        """Remember the key of a header that was checked for such a type; the key has signed it."""
        if len(self._headers) < _MOST_HEADERS:
            self._headers[types, header] = key

    def without(self, kids: Collection[str]) -> "KeySet":
        """Return the keys but those with one of these ids; the same set if there are none."""
        kept = {name: key for name, key in self._keys.items() if key.kid not in kids}
        return self if len(kept) == len(self._keys) else KeySet(kept)


def read_key_set(document: object) -> KeySet:
    """Read a JWK Set; keys that are not for signatures, or of no use to us, are left out.

    Raises:
        ValueError: it is none, or too large, or no key in it is of use.
    """
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MOST_KEYS:
        raise ValueError("it is no JWK Set")
    found: dict[tuple[str | None, str], Key] = {}
    for jwk in listed:
        for name, key in _read(jwk):
            found.setdefault((key.kid, name), key)
    if not found:
        raise ValueError("no key in it is of use")
    return KeySet(found)


def _read(jwk: object) -> Iterable[tuple[str, Key]]:
    if not isinstance(jwk, dict) or "d" in jwk or not _is_for_signatures(jwk):
        return
    kid, told = jwk.get("kid"), jwk.get("alg")
    if not isinstance(kid, str | None):
        return
    for name in _ALGORITHMS.get((str(jwk.get("kty")), str(jwk.get("crv", ""))), ()):
        is_meant = told in (None, name, _SAME.get(name, name))
        if is_meant and (key := _public(jwk, name)):
            yield name, Key(kid, *key)


def _is_for_signatures(jwk: dict[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    )


def _public(jwk: dict[str, Any], name: str) -> tuple[Any, Any] | None:
    try:
        read = jwt.PyJWK(jwk, "EdDSA" if name == "Ed25519" else name)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if jwk.get("kty") == "RSA" and read.key.key_size < _SMALLEST_RSA_KEY:
        return None
    return read.Algorithm, read.key
