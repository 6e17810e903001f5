"""Access tokens that clients present: introspection and revocation."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from keyfob.authority.models import LiveToken, acr_of
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encoding import to_base64url
from keyfob.sessions.revocations import Revocations, rests_on
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.models import OWN_CLIENT, VerifiedToken

log = structlog.get_logger("keyfob.oauth")


class _Known(NamedTuple):
    token: LiveToken
    token_id: UUID
    rests_on: tuple[tuple[UUID, int], ...]
    expires_at: int


@dataclass(kw_only=True)
class AccessIntrospector:
    """Describes access tokens from memory; expiry and revocation are checked each time.

    At most `most` verified tokens are remembered, by digest; the oldest are dropped first.
    """

    db: Database
    clock: Clock
    tokens: AccessTokens
    revocations: Revocations
    most: int
    _known: dict[bytes, _Known] = field(default_factory=dict)

    async def find(self, text: str) -> LiveToken | None:
        """Return a valid token; this costs no query."""
        known = self._find(text)
        return known.token if known else None

    async def revoke(self, text: str, client_id: UUID) -> None:
        """Revoke one token everywhere, by its `jti`; its session continues."""
        known = self._find(text)
        if known is None:
            return
        expires_at = datetime.fromtimestamp(known.expires_at, UTC)
        async with self.db.begin() as tx:
            await self.revocations.revoke_token(tx, known.token_id, expires_at)
        log.info("token_revoked", client_id=str(client_id))

    def forget(self) -> None:
        """Forget all verified tokens, since the keys have changed."""
        self._known.clear()

    def _find(self, text: str) -> _Known | None:
        digest = hashlib.sha256(text.encode(errors="replace")).digest()
        known = self._known.get(digest) or self._verify(text, digest)
        if known is None:
            return None
        has_expired = known.expires_at <= self.clock.timestamp()
        if has_expired or self.revocations.kill_any(known.rests_on):
            self._known.pop(digest, None)
            return None
        return known

    def _verify(self, text: str, digest: bytes) -> _Known | None:
        try:
            verified = self.tokens.read(text)
        except TokenRejected:
            return None
        known = _Known(
            self._told(verified), verified.token_id, rests_on(verified), verified.expires_at
        )
        if self.most:
            if len(self._known) >= self.most:
                del self._known[next(iter(self._known))]
            self._known[digest] = known
        return known

    def _told(self, verified: VerifiedToken) -> LiveToken:
        claims = verified.claims
        audience = claims.audience
        if claims.client_id == OWN_CLIENT:
            audience = (self.tokens.issuer,)  # for clients, the name of our own API
        return LiveToken(claims.client_id, audience, _members(verified, self.tokens.issuer))


def _members(verified: VerifiedToken, issuer: str) -> Mapping[str, object]:
    """Return the members of an introspection (RFC 7662 section 2.2, RFC 9068 section 2.2)."""
    claims = verified.claims
    audience = claims.audience
    members: dict[str, object] = {
        "scope": " ".join(claims.scope),
        "client_id": claims.client_id,
        "token_type": "Bearer",
        "sub": str(claims.subject),
        "aud": audience[0] if len(audience) == 1 else audience,
        "iss": issuer,
        "exp": verified.expires_at,
        "iat": verified.issued_at,
        "jti": to_base64url(verified.token_id.bytes).decode("ascii"),
        "sid": str(claims.session_id),
    }
    if claims.auth_time is not None:
        members["auth_time"] = int(claims.auth_time.timestamp())
        members["acr"] = acr_of(claims.amr)
        members["amr"] = claims.amr
        members["roles"] = claims.roles
    return members
