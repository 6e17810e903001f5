"""Issuing and verifying signed tokens: JWTs (RFC 7519), of one kind that is never mistaken."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from pydantic_core import to_json

from keyfob.core.clock import Clock
from keyfob.core.encoding import from_base64url, to_base64url
from keyfob.core.secrets import random_bytes
from keyfob.tokens import algorithms
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.models import SigningKey, TokenKind, VerifiedClaims

# The seconds by which clocks of two instances may differ before a new token seems to be issued in
# the future.
_LEEWAY = 5
_IN_EVERY_TOKEN = frozenset({"iss", "aud", "iat", "exp", "jti"})
TOKEN_ID_BYTES = 16


class Keys(Protocol):
    """The keys of a kind of tokens: the keyring, or its keys of ID tokens."""

    def active(self, algorithm: str | None = None) -> SigningKey:
        """Return the key that signs now."""

    def find(self, kid: str) -> SigningKey | None:
        """Return the key with that id if it may still verify."""


class SignedTokens:
    """Signs and verifies the tokens of one issuer and one kind, by the algorithm of each key."""

    def __init__(self, keys: Keys, clock: Clock, *, issuer: str, kind: TokenKind) -> None:
        self._keys = keys
        self._clock = clock
        self._issuer = issuer
        self._kind = kind
        self._required = kind.required | _IN_EVERY_TOKEN
        # By the id of each key that this worker has used, and the other way round.
        self._headers: dict[str, str] = {}
        self._kids: dict[str, str] = {}

    def sign(
        self, claims: Mapping[str, Any], *, lifetime: int, algorithm: str | None = None
    ) -> str:
        """Return a token with these claims that lives `lifetime` seconds.

        Issuer, audience, times and an id of its own are added (RFC 7519 section 4.1); an `aud` in
        the claims takes precedence over the kind's.

        Raises:
            NoSigningKey: no key is loaded.
        """
        key = self._keys.active(algorithm)
        now = self._clock.timestamp()
        payload = {
            "iss": self._issuer,
            "aud": self._kind.audience,
            "iat": now,
            "exp": now + lifetime,
            "jti": to_base64url(random_bytes(TOKEN_ID_BYTES)).decode("ascii"),
            **claims,
        }
        # PyJWT's algorithm signs; its `encode` would write and check the same header each time.
        signed = self._header_of(key).encode("ascii") + b"." + to_base64url(to_json(payload))
        signature = to_base64url(algorithms.sign(key, signed))
        return (signed + b"." + signature).decode("ascii")

    def verify(self, token: str, *, even_expired: bool = False) -> VerifiedClaims:
        """Check the signature, and the claims that every token has (RFC 8725).

        The algorithm is the key's, never the header's; keys come only from the keyring, so that
        `jwk`, `jku` and `x5u` in a header have no effect, and an unknown `kid` costs nothing.

        Raises:
            TokenRejected: for whatever reason; it says which, for the log.
        """
        if len(token) > self._kind.most_characters:
            raise TokenRejected("too_long")
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        key = self._key_of(header)
        try:
            if not algorithms.has_signed(key, signed.encode("ascii"), from_base64url(signature)):
                raise TokenRejected("bad_signature")
            claims = json.loads(from_base64url(payload))
        except (ValueError, RecursionError):
            raise TokenRejected("malformed") from None
        expires_at = self._expiry_of(claims)
        if expires_at <= self._clock.timestamp() and not even_expired:
            raise TokenRejected("expired")
        return VerifiedClaims(claims, expires_at, key.kid)

    def _header_of(self, key: SigningKey) -> str:
        header = self._headers.get(key.kid)
        if header is None:
            header = self._headers[key.kid] = key.header(self._kind.typ)
            self._kids[header] = key.kid
        return header

    def _key_of(self, header: str) -> SigningKey:
        # Our own header need not be parsed; any other is parsed to say what is wrong with it.
        kid = self._kids.get(header)
        key = self._keys.find(kid) if kid else self._key_named_in(header)
        if key is None:
            raise TokenRejected("unknown_key")
        return key

    def _key_named_in(self, header: str) -> SigningKey | None:
        try:
            named = json.loads(from_base64url(header))
        except (ValueError, RecursionError):
            raise TokenRejected("malformed") from None
        if not isinstance(named, dict):
            raise TokenRejected("malformed")
        if named.get("typ") != self._kind.typ:
            raise TokenRejected("wrong_type")
        if "crit" in named or "b64" in named:  # RFC 7515 section 4.1.11: no extension is supported
            raise TokenRejected("wrong_type")
        key = self._keys.find(str(named.get("kid")))
        if key is None or named.get("alg") != key.algorithm:
            return None
        self._header_of(key)  # the next one need not be parsed
        return key

    def _expiry_of(self, claims: Any) -> int:
        now, kind = self._clock.timestamp(), self._kind
        if not isinstance(claims, dict) or not self._required <= claims.keys():
            raise TokenRejected("wrong_claims")
        issued_at = whole(claims, "iat")
        expires_at = min(whole(claims, "exp"), issued_at + kind.longest)
        if claims["iss"] != self._issuer or kind.audience not in (None, claims["aud"]):
            raise TokenRejected("wrong_audience")
        if issued_at > now + _LEEWAY or whole(claims, "nbf", issued_at) > now + _LEEWAY:
            raise TokenRejected("not_yet_valid")
        return expires_at


def whole(claims: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """Return a claim that is an integer.

    Raises:
        TokenRejected: it is not an integer, or it is missing and there is no default.
    """
    value = claims.get(name, default)
    if type(value) is not int:  # isinstance accepts bool, which is no NumericDate
        raise TokenRejected("wrong_claims")
    return value


def text(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim that is a string.

    Raises:
        TokenRejected: it is not a string, or it is missing.
    """
    value = claims.get(name)
    if not isinstance(value, str):
        raise TokenRejected("wrong_claims")
    return value
