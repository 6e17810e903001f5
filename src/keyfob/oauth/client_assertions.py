"""Clients that sign what they prove: `private_key_jwt` (RFC 7523 section 3 and its rfc7523bis)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from keyfob.clients.models import AuthenticatedClient, AuthMethod, RegisteredClient
from keyfob.clients.service import Clients
from keyfob.core.batches import in_batches
from keyfob.core.clock import SKEW, Clock
from keyfob.core.database import Database
from keyfob.limits.local import LocalRate
from keyfob.oauth import queries
from keyfob.oauth.authentication import counted_as, find_client
from keyfob.oauth.client_jwts import (
    ClientJwt,
    Refused,
    ensure_in_time,
    ensure_signed,
    read_jwt,
    second,
)
from keyfob.oauth.client_keys import ClientKeys
from keyfob.oauth.models import Presented

log = structlog.get_logger("keyfob.oauth")

_TYPES = frozenset({"client-authentication+jwt"})
_LONGEST = 8192
_LONGEST_LIFE = 600
_LONGEST_ID = 255


@dataclass(frozen=True, kw_only=True)
class AssertionProof:
    """Checks assertions that clients signed, each of which counts once over all workers.

    Threat: an assertion made for another server, which that one replays
    here; so `aud` is our issuer, alone and as a string (rfc7523bis section 4).
    """

    db: Database
    clock: Clock
    clients: Clients
    keys: ClientKeys
    calls: LocalRate
    issuer: str

    async def check(self, presented: Presented, *, may_ask: bool) -> AuthenticatedClient | None:
        """Return the client that signed an assertion; the log says why it is refused.

        Raises:
            TooManyRequests: the client calls too often; the assertion may be shown again.
        """
        try:
            assertion = read_jwt(presented.proof, _TYPES, _LONGEST)
            self._check_claims(assertion.claims, presented.client_id)
            client = await self._check_signature(assertion, may_ask=may_ask)
            # Threat: a client over its limit goes on writing rows.
            self.calls.ensure_free(counted_as(client, presented.address))
            await self._spend(client, assertion.claims)
        except Refused as refused:
            log.info("client_assertion_refused", reason=str(refused))
            return None
        return AuthenticatedClient(client, None)

    def _check_claims(self, claims: Mapping[str, Any], client_id: str | None) -> None:
        if not isinstance(claims.get("sub"), str) or claims.get("iss") != claims["sub"]:
            raise Refused("sub is no string, or iss is not sub")
        if client_id not in (None, claims["sub"]):
            raise Refused("client_id is not sub")
        if claims.get("aud") != self.issuer:
            raise Refused("aud is not the issuer as a string")
        ensure_in_time(claims, self.clock.timestamp(), _LONGEST_LIFE)
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_ID:
            raise Refused("jti is missing or too long")

    async def _check_signature(self, assertion: ClientJwt, *, may_ask: bool) -> RegisteredClient:
        known = await find_client(self.clients, assertion.claims["sub"], may_ask=may_ask)
        if known is None or known.client.auth_method is not AuthMethod.PRIVATE_KEY_JWT:
            raise Refused("no such client that signs")
        await ensure_signed(self.keys, known.client, assertion)
        return known.client

    async def _spend(self, client: RegisteredClient, claims: Mapping[str, Any]) -> None:
        named = b"assertion " + client.id.bytes + claims["jti"].encode(errors="surrogatepass")
        expires_at = datetime.fromtimestamp(second(claims, "exp"), UTC) + SKEW
        digest, now = hashlib.sha256(named).digest(), self.clock.now()
        if not await queries.spend_id(self.db, digest, expires_at, now):
            raise Refused("jti was used before")

    async def clean_up(self) -> None:
        """Delete the ids of assertions that have expired."""
        await in_batches(partial(queries.delete_spent_ids, self.db, self.clock.now()))
