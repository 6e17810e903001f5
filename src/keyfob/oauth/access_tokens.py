"""Access tokens that clients present: introspection and revocation."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from keyfob.authority.models import OPENID_SCOPES, LiveToken, acr_of, has_second_factor
from keyfob.authority.roles import Roles
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encoding import to_base64url
from keyfob.sessions.revocations import Revocations, rests_on
from keyfob.tokens.access import AccessTokens, act_of
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.models import OWN_CLIENT, AccessClaims, VerifiedToken

log = structlog.get_logger("keyfob.oauth")


# Found all the same, so that it can be revoked.
_INACTIVE = {"active": False}


def scope_now(claims: AccessClaims, roles: Roles) -> tuple[str, ...]:
    """Return the part of a token's scope that the roles of its user give now; of a program, all.

    Threat: what the definition of a role has lost would go on in tokens, and in those that they
    are exchanged for. `account`, and what apps ask about a person, are of no role.
    """
    if claims.role is None:
        return claims.scope
    held = {*roles.part_held(claims.scope, claims.role, claims.roles[1:])}
    if claims.auth_time is not None:
        held.update(("account", *OPENID_SCOPES))
    return tuple(name for name in claims.scope if name in held)


class _Known(NamedTuple):
    claims: AccessClaims
    token: LiveToken
    token_id: UUID
    rests_on: tuple[tuple[UUID, int], ...]
    expires_at: int


@dataclass(kw_only=True)
class AccessIntrospector:
    """Describes access tokens from memory; expiry and revocation are checked each time.

    At most `most` verified tokens are remembered, by digest; the oldest are dropped first.

    A sign-in that Keyfob itself refuses for want of a factor (`factor_roles`) is not active.
    """

    db: Database
    clock: Clock
    tokens: AccessTokens
    revocations: Revocations
    roles: Roles
    factor_roles: Collection[str]
    most: int
    _known: dict[bytes, _Known] = field(default_factory=dict)

    async def find(self, text: str) -> LiveToken | None:
        """Return a valid token; this costs no query."""
        known = self._find(text)
        if known is None:
            return None
        claims, token = known.claims, known.token
        scope = scope_now(claims, self.roles)
        if scope == claims.scope or token.members is _INACTIVE:
            return token
        if not scope and claims.auth_time is None:  # of an API key, which is inactive by now
            return token._replace(members=_INACTIVE)
        return token._replace(members={**token.members, "scope": " ".join(scope)})

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
            verified.claims,
            self._told(verified),
            verified.token_id,
            rests_on(verified),
            verified.expires_at,
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
        is_refused = (
            claims.auth_time is not None
            and claims.role in self.factor_roles
            and not has_second_factor(claims.amr)
        )
        members = _INACTIVE if is_refused else _members(verified, self.tokens.issuer)
        return LiveToken(claims.client_id, audience, members, userinfo=claims.userinfo)


def _members(verified: VerifiedToken, issuer: str) -> Mapping[str, object]:
    """Return the members of an introspection (RFC 7662 section 2.2, RFC 9068 section 2.2)."""
    claims = verified.claims
    audience = claims.audience
    members: dict[str, object] = {
        "scope": " ".join(claims.scope),
        "client_id": claims.client_id,
        "token_type": "DPoP" if claims.jkt else "Bearer",
        "sub": str(claims.subject),
        "aud": audience[0] if len(audience) == 1 else audience,
        "iss": issuer,
        "exp": verified.expires_at,
        "iat": verified.issued_at,
        "jti": to_base64url(verified.token_id.bytes).decode("ascii"),
        "sid": str(claims.session_id),
    }
    if claims.jkt is not None:
        members["cnf"] = {"jkt": claims.jkt}
    if claims.actors:
        members["act"] = act_of(claims.actors)
    if claims.auth_time is not None:
        members["auth_time"] = int(claims.auth_time.timestamp())
        members["acr"] = acr_of(claims.amr)
        members["amr"] = claims.amr
        if claims.tells_roles:
            members["roles"] = claims.roles
    return members
