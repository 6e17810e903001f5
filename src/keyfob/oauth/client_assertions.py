"""Clients that sign what they prove: `private_key_jwt` (RFC 7523 section 3 and its rfc7523bis)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import structlog

from keyfob.clients.models import AuthenticatedClient, AuthMethod, RegisteredClient
from keyfob.clients.service import Clients
from keyfob.core.batches import in_batches
from keyfob.core.clock import SKEW, Clock
from keyfob.core.database import Database
from keyfob.core.encoding import from_base64url
from keyfob.limits.local import LocalRate
from keyfob.oauth import queries
from keyfob.oauth.authentication import find_client
from keyfob.oauth.client_keys import ClientKeys
from keyfob.oauth.models import Presented

log = structlog.get_logger("keyfob.oauth")

_TYPES = frozenset({"jwt", "client-authentication+jwt", "application/client-authentication+jwt"})
_LONGEST = 8192
_LONGEST_LIFE = 600
_LEEWAY = 30  # seconds by which a client's clock may be ahead
_LONGEST_ID = 255


class _Assertion(NamedTuple):
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


class _Refused(ValueError):
    """An assertion is not valid; the message says why, for the log."""


@dataclass(frozen=True, kw_only=True)
class AssertionProof:
    """Checks assertions that clients signed, each of which counts once over all workers.

    The key and its algorithms are those of the registration: `jwk`, `jku`, `x5u` and `x5c` of a
    header have no effect. Threat: an assertion made for another server, which that one replays
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
            assertion = _read(presented.proof)
            self._check_claims(assertion.claims, presented.client_id)
            client = await self._check_signature(assertion, may_ask=may_ask)
            # Threat: a client over its limit goes on writing rows.
            self.calls.ensure_free(client.id)
            await self._spend(client, assertion.claims)
        except _Refused as refused:
            log.info("client_assertion_refused", reason=str(refused))
            return None
        return AuthenticatedClient(client, None)

    def _check_claims(self, claims: Mapping[str, Any], client_id: str | None) -> None:
        now = self.clock.timestamp()
        if not isinstance(claims.get("sub"), str) or claims.get("iss") != claims["sub"]:
            raise _Refused("sub is no string, or iss is not sub")
        if client_id not in (None, claims["sub"]):
            raise _Refused("client_id is not sub")
        if claims.get("aud") != self.issuer:
            raise _Refused("aud is not the issuer as a string")
        expires_at = _second(claims, "exp")
        if not now < expires_at <= now + _LONGEST_LIFE + _LEEWAY:
            raise _Refused(f"exp is past, or more than {_LONGEST_LIFE} seconds ahead")
        for name in ("iat", "nbf"):
            if name in claims and _second(claims, name) > now + _LEEWAY:
                raise _Refused(f"{name} is in the future")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_ID:
            raise _Refused("jti is missing or too long")

    async def _check_signature(self, assertion: _Assertion, *, may_ask: bool) -> RegisteredClient:
        header = assertion.header
        known = await find_client(self.clients, assertion.claims["sub"], may_ask=may_ask)
        if known is None or known.client.auth_method is not AuthMethod.PRIVATE_KEY_JWT:
            raise _Refused("no such client that signs")
        client, kid, algorithm = known.client, header.get("kid"), header.get("alg")
        if not isinstance(kid, str | None) or not isinstance(algorithm, str):
            raise _Refused("kid or alg is not a string")
        key = await self.keys.find(client, kid, algorithm)
        if key is None:
            raise _Refused("the client has no such key for this alg")
        if not key.has_signed(algorithm, assertion.signed, assertion.signature):
            raise _Refused("the signature is wrong")
        return client

    async def _spend(self, client: RegisteredClient, claims: Mapping[str, Any]) -> None:
        named = b"assertion " + client.id.bytes + claims["jti"].encode(errors="surrogatepass")
        expires_at = datetime.fromtimestamp(_second(claims, "exp"), UTC) + SKEW
        digest, now = hashlib.sha256(named).digest(), self.clock.now()
        if not await queries.spend_id(self.db, digest, expires_at, now):
            raise _Refused("jti was used before")

    async def clean_up(self) -> None:
        """Delete the ids of assertions that have expired."""
        await in_batches(partial(queries.delete_spent_ids, self.db, self.clock.now()))


def _read(text: str) -> _Assertion:
    """Read a JWS in compact form (RFC 7515 section 3.1), whose signature is not checked yet."""
    if len(text) > _LONGEST:
        raise _Refused("it is too long")
    signed, _, signature = text.rpartition(".")
    header_text, _, payload = signed.partition(".")
    try:
        header = json.loads(from_base64url(header_text))
        claims = json.loads(from_base64url(payload))
        signature_bytes = from_base64url(signature)
    except (ValueError, RecursionError):
        raise _Refused("it is no JWS in compact form") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise _Refused("its parts are no JSON objects")
    if str(header.get("typ", "JWT")).lower() not in _TYPES:
        raise _Refused("typ is of another kind of token")
    if "crit" in header or "b64" in header:  # RFC 7515 section 4.1.11: no extension is supported
        raise _Refused("crit names extensions")
    return _Assertion(header, claims, signed.encode("ascii"), signature_bytes)


def _second(claims: Mapping[str, Any], name: str) -> int:
    """Return a NumericDate (RFC 7519 section 2), which may have a fraction."""
    value: Any = claims.get(name)
    if type(value) not in (int, float) or not abs(value) < 2**40:  # NaN is less than nothing
        raise _Refused(f"{name} is no time")
    return int(value)
