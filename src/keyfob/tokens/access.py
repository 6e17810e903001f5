"""Access tokens in and out: RFC 9068 JWTs."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from keyfob.authority.models import Role, acr_of
from keyfob.core.clock import Clock
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import AccessClaims, TokenKind, VerifiedToken
from keyfob.tokens.signing import SignedTokens, text, whole

_REQUIRED = frozenset({"sub", "sid", "gen", "client_id", "role", "scope", "auth_time", "amr"})


class AccessTokens:
    """Signs and verifies access tokens of one issuer and one audience."""

    def __init__(
        self, keyring: Keyring, clock: Clock, *, issuer: str, audience: str, ttl: int
    ) -> None:
        self._clock = clock
        # Where the TTL was lowered, older tokens lived longer than revocations are kept.
        kind = TokenKind("at+jwt", audience, longest=ttl, required=_REQUIRED)
        self._signed = SignedTokens(keyring, clock, issuer=issuer, kind=kind)
        self.ttl = ttl

    def issue(self, claims: AccessClaims) -> tuple[str, int]:
        """Return the claims as a signed token, and the seconds that it lives.

        It lives no longer than its session.

        Raises:
            NoSigningKey: no key was loaded.
        """
        lifetime = self.ttl
        if claims.session_ends_at is not None:
            left = int(claims.session_ends_at.timestamp()) - self._clock.timestamp()
            lifetime = min(lifetime, left)
        payload = {
            "sub": claims.user_id,
            "sid": claims.session_id,
            "gen": claims.generation,
            "sub_gen": claims.sub_gen,
            "client_id": claims.client_id,
            "role": claims.role,
            "scope": claims.scope,
            "auth_time": int(claims.auth_time.timestamp()),
            "acr": acr_of(claims.amr),
            "amr": claims.amr,
        }
        return self._signed.sign(payload, lifetime=lifetime), lifetime

    def verify(self, token: str) -> VerifiedToken:
        """Check signature and claims (RFC 9068 section 4).

        Raises:
            TokenRejected: for whatever reason; it says which, for the log.
        """
        claims, expires_at, kid = self._signed.verify(token)
        try:
            return VerifiedToken(_read(claims), expires_at, kid)
        except (TypeError, ValueError, AttributeError, OverflowError):
            raise TokenRejected("wrong_claims") from None


def _read(claims: Mapping[str, Any]) -> AccessClaims:
    return AccessClaims(
        user_id=UUID(claims["sub"]),
        session_id=UUID(claims["sid"]),
        generation=whole(claims, "gen"),
        role=Role(claims["role"]),
        auth_time=datetime.fromtimestamp(whole(claims, "auth_time"), UTC),
        amr=tuple(claims["amr"]),
        # The release before wrote none, and every account was of the first then.
        sub_gen=whole(claims, "sub_gen", 0),
        client_id=text(claims, "client_id"),
        scope=text(claims, "scope"),
    )
