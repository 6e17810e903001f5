"""Proofs that a caller holds a key: JWTs for one request, signed by it (RFC 9449 section 4)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from keyfob.authority.models import PROOF_ALGORITHMS
from keyfob.clients.keys import ClientKey, read_key
from keyfob.core.encoding import to_base64url
from keyfob.core.secrets import compare_digest
from keyfob.oauth.client_jwts import LEEWAY, ClientJwt, Refused, read_jwt, second
from keyfob.oauth.dpop.addresses import is_same

_TYPE = "dpop+jwt"
# They lead to other keys than the embedded one.
_FOREIGN = frozenset({"jku", "x5u", "x5c"})
_LONGEST = 4096
_LONGEST_ID = 255
_OLDEST = 300  # seconds, by the client's clock: how old it is, the nonce says


class Shown(NamedTuple):
    """A request that a proof comes with, and the access token in it, if there is one."""

    method: str
    address: str
    token: str | None = None


@dataclass(frozen=True)
class Proof:
    """A proof for a request, whose signature is not checked yet, and its nonce."""

    jwt: ClientJwt
    key: ClientKey
    nonce: object

    @cached_property
    def jkt(self) -> str:
        """The thumbprint of the key (RFC 7638)."""
        return self.key.thumbprint

    @property
    def id_hash(self) -> bytes:
        """A digest of the key and the `jti`: each key has ids of its own."""
        jti = self.jwt.claims["jti"].encode(errors="surrogatepass")
        return hashlib.sha256(b"proof " + self.jkt.encode("ascii") + jti).digest()

    def ensure_signed(self) -> None:
        """Check the signature.

        Raises:
            Refused: the embedded key has not made it.
        """
        if not self.key.has_signed(self.jwt.header["alg"], self.jwt.signed, self.jwt.signature):
            raise Refused("the signature is wrong")


def read_proof(text: str, shown: Shown, now: int) -> Proof:
    """Read a proof, and check that it is for this request, as far as that costs little.

    Raises:
        Refused: it is not; the message says why, for the log.
    """
    jwt = read_jwt(text, (_TYPE,), _LONGEST)
    key = _embedded_key(jwt.header)
    claims = jwt.claims
    jti, ath = claims.get("jti"), claims.get("ath")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_ID:
        raise Refused("jti is missing or too long")
    if claims.get("htm") != shown.method:
        raise Refused("htm is another method")
    if not is_same(claims.get("htu"), shown.address):
        raise Refused("htu is another address")
    _check_times(claims, now)
    if shown.token is not None and not _is_hash(ath, shown.token):
        raise Refused("ath is missing, or of another token")
    return Proof(jwt, key, claims.get("nonce"))


def _embedded_key(header: Mapping[str, Any]) -> ClientKey:
    if str(header.get("typ")).lower() != _TYPE:  # it has to be named
        raise Refused("typ is of another kind of token")
    if _FOREIGN & header.keys():
        raise Refused("the header names other keys")
    if header.get("alg") not in PROOF_ALGORITHMS:
        raise Refused("alg is not one of those that are supported")
    try:
        return read_key(header.get("jwk"))
    except ValueError as fault:
        raise Refused(f"jwk: {fault}") from None


def _check_times(claims: Mapping[str, Any], now: int) -> None:
    if not now - _OLDEST <= second(claims, "iat") <= now + LEEWAY:
        raise Refused("iat is too long ago, or in the future")
    if "exp" in claims and second(claims, "exp") <= now:
        raise Refused("exp is past")
    if "nbf" in claims and second(claims, "nbf") > now + LEEWAY:
        raise Refused("nbf is in the future")


def _is_hash(ath: object, token: str) -> bool:
    """Tell whether an `ath` is the hash of an access token (RFC 9449 section 4.2)."""
    expected = to_base64url(hashlib.sha256(token.encode(errors="replace")).digest())
    return isinstance(ath, str) and compare_digest(ath.encode(errors="replace"), expected)
