"""Access tokens in and out: RFC 9068 JWTs."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from keyfob.authority.models import Role, acr_of
from keyfob.core.clock import Clock
from keyfob.core.encoding import from_base64url, to_base64url
from keyfob.core.secrets import random_text
from keyfob.tokens import algorithms
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import TOKEN_TYPE, AccessClaims, SigningKey, VerifiedToken

CLIENT_ID = "keyfob"
SCOPE = "account"

# How far the clocks of two instances may differ before a fresh token looks like a future one.
_LEEWAY = 5
_LONGEST_TOKEN = 4096


class AccessTokens:
    """Signs and verifies access tokens of one issuer and one audience."""

    def __init__(
        self, keyring: Keyring, clock: Clock, *, issuer: str, audience: str, ttl: int
    ) -> None:
        self._keyring = keyring
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self.ttl = ttl

    def issue(self, claims: AccessClaims) -> tuple[str, int]:
        """Return the claims as a signed token, and the seconds that it lives.

        It lives no longer than its session.

        Raises:
            NoSigningKey: no key was loaded.
        """
        key = self._keyring.active()
        now = self._clock.timestamp()
        lifetime = self.ttl
        if claims.session_ends_at is not None:
            lifetime = min(lifetime, int(claims.session_ends_at.timestamp()) - now)
        payload = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": claims.user_id,
            "iat": now,
            "exp": now + lifetime,
            "jti": random_text(16),
            "sid": claims.session_id,
            "gen": claims.generation,
            "sub_gen": claims.sub_gen,
            "client_id": CLIENT_ID,
            "role": claims.role,
            "scope": SCOPE,
            "auth_time": int(claims.auth_time.timestamp()),
            "acr": acr_of(claims.amr),
            "amr": claims.amr,
        }
        # PyJWT's algorithm signs; its `encode` would write and check the same header each time.
        signed = key.signing_input(to_base64url(to_json(payload)))
        signature = to_base64url(algorithms.sign(key, signed))
        return (signed + b"." + signature).decode("ascii"), lifetime

    def verify(self, token: str) -> VerifiedToken:
        """Check signature and claims (RFC 9068 section 4, RFC 8725).

        The algorithm is the key's, never the header's; keys come from the keyring alone, so that
        `jwk`, `jku` and `x5u` in a header are without effect, and a foreign `kid` costs nothing.

        Raises:
            TokenRejected: for whatever reason; it says which, for the log.
        """
        if len(token) > _LONGEST_TOKEN:
            raise TokenRejected("too_long")
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        # A header that we wrote needs no reading; any other is read to say what is wrong with it.
        key = self._keyring.find_by_header(header) or self._key_named_in(header)
        try:
            if not algorithms.has_signed(key, signed.encode("ascii"), from_base64url(signature)):
                raise TokenRejected("bad_signature")
            claims = json.loads(from_base64url(payload))
        except (ValueError, RecursionError):
            raise TokenRejected("malformed") from None
        return self._read(claims, key.kid)

    def _key_named_in(self, header: str) -> SigningKey:
        try:
            named = json.loads(from_base64url(header))
        except (ValueError, RecursionError):
            raise TokenRejected("malformed") from None
        if not isinstance(named, dict):
            raise TokenRejected("malformed")
        if named.get("typ") != TOKEN_TYPE:
            raise TokenRejected("wrong_type")
        if "crit" in named or "b64" in named:  # RFC 7515 section 4.1.11: we understand no extension
            raise TokenRejected("wrong_type")
        key = self._keyring.find(str(named.get("kid")))
        if key is None or named.get("alg") != key.algorithm:
            raise TokenRejected("unknown_key")
        return key

    def _read(self, claims: Any, kid: str) -> VerifiedToken:
        now = self._clock.timestamp()
        try:
            issued_at = _whole(claims, "iat")
            # Where the TTL was lowered, older tokens lived longer than revocations are kept.
            expires_at = min(_whole(claims, "exp"), issued_at + self.ttl)
            if claims["iss"] != self._issuer or claims["aud"] != self._audience:
                raise TokenRejected("wrong_audience")
            if expires_at <= now:
                raise TokenRejected("expired")
            if issued_at > now + _LEEWAY or _whole(claims, "nbf", issued_at) > now + _LEEWAY:
                raise TokenRejected("not_yet_valid")
            return VerifiedToken(
                AccessClaims(
                    user_id=UUID(claims["sub"]),
                    session_id=UUID(claims["sid"]),
                    generation=_whole(claims, "gen"),
                    role=Role(claims["role"]),
                    auth_time=datetime.fromtimestamp(_whole(claims, "auth_time"), UTC),
                    amr=tuple(claims["amr"]),
                    # The release before wrote none, and every account was of the first then.
                    sub_gen=_whole(claims, "sub_gen", 0),
                ),
                expires_at=expires_at,
                kid=kid,
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise TokenRejected("wrong_claims") from None


def _whole(claims: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = claims[name] if default is None else claims.get(name, default)
    if type(value) is not int:  # bool is an int to isinstance, and no NumericDate
        raise TokenRejected("wrong_claims")
    return value
