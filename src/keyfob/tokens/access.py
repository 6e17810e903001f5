"""Issuing and verifying access tokens: RFC 9068 JWTs."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from keyfob.authority.models import Role, acr_of
from keyfob.core.clock import Clock
from keyfob.core.encoding import from_base64url, to_base64url
from keyfob.core.encryption import Box, CannotDecrypt
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import (
    LONGEST_TTL,
    OWN_CLIENT,
    AccessClaims,
    TokenKind,
    VerifiedToken,
)
from keyfob.tokens.signing import SignedTokens, text, whole

_REQUIRED = frozenset({"sub", "sid", "gen", "client_id", "scope"})
_OF_A_USER = frozenset({"role", "auth_time", "amr"})
_SEALED = "sealed_roles"
_SEALED_STEP = 256


class AccessTokens:
    """Signs and verifies the access tokens of one issuer.

    Args:
        keyring: the signing keys.
        clock: the clock.
        issuer: the `iss` claim; as an audience it stands for our own API, in tokens of other
            clients.
        audience: the `aud` claim of tokens of our own sign-ins.
        ttl: the seconds that tokens of our own sign-ins live.
        box: encrypts roles that a token does not tell.
    """

    def __init__(
        self, keyring: Keyring, clock: Clock, *, issuer: str, audience: str, ttl: int, box: Box
    ) -> None:
        self._clock = clock
        self._box = box
        kind = TokenKind("at+jwt", None, longest=max(ttl, LONGEST_TTL), required=_REQUIRED)
        self._signed = SignedTokens(keyring, clock, issuer=issuer, kind=kind)
        self.issuer = issuer
        self.audience = audience
        self.ttl = ttl

    def issue(self, claims: AccessClaims, ttl: int | None = None) -> tuple[str, int]:
        """Return the claims as a signed token, and the seconds that it lives.

        It lives until `ends_at` at the latest, and at most `ttl` seconds.

        Raises:
            NoSigningKey: no key is loaded.
        """
        lifetime = self.ttl if ttl is None else ttl
        if claims.ends_at is not None:
            left = int(claims.ends_at.timestamp()) - self._clock.timestamp()
            lifetime = min(lifetime, left)
        audience = claims.audience or (self.audience,)
        payload: dict[str, Any] = {
            "aud": audience[0] if len(audience) == 1 else audience,
            # As texts: the writer of JSON takes longer for asyncpg's UUID, and for an enum.
            "sub": str(claims.subject),
            "sid": str(claims.session_id),
            "gen": claims.generation,
            "sub_gen": claims.sub_gen,
            "client_id": claims.client_id,
            "scope": " ".join(claims.scope),
        }
        payload |= _optional(claims)
        if claims.role is not None:
            payload |= self._roles(claims)
        if claims.actors:
            payload["act"] = act_of(claims.actors)
        return self._signed.sign(payload, lifetime=lifetime), lifetime

    def verify(self, token: str) -> VerifiedToken:
        """Check signature and claims, and that the token is for our own API (RFC 9068 section 4).

        Raises:
            TokenRejected: for whatever reason; it says which, for the log.
        """
        verified = self.read(token)
        claims = verified.claims
        if claims.client_id == OWN_CLIENT:
            is_ours = claims.audience == (self.audience,)
        else:
            is_ours = self.issuer in claims.audience
        if not is_ours:
            raise TokenRejected("wrong_audience")
        return verified

    def read(self, token: str) -> VerifiedToken:
        """Check signature and claims of a token that we issued, for any audience.

        Raises:
            TokenRejected: see `verify`.
        """
        claims, expires_at, kid = self._signed.verify(token)
        try:
            read = _read(self._with_roles(claims))
            token_id = UUID(bytes=from_base64url(text(claims, "jti")))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise TokenRejected("wrong_claims") from None
        if read.auth_time is not None:
            # Of a sign-in, or exchanged for such a token. If the TTL was lowered, older ones would
            # outlive the revocations of their session.
            expires_at = min(expires_at, whole(claims, "iat") + self.ttl)
            if expires_at <= self._clock.timestamp():
                raise TokenRejected("expired")
        return VerifiedToken(read, expires_at, kid, token_id, whole(claims, "iat"))

    def _roles(self, claims: AccessClaims) -> dict[str, Any]:
        if claims.tells_roles:
            return {"role": str(claims.role), "roles": claims.roles}
        plain = json.dumps([str(claims.role), *claims.roles]).encode()
        # Threat: the length tells which role it is. JSON takes space at its end (RFC 8259 2).
        plain += b" " * (-len(plain) % _SEALED_STEP)
        sealed = self._box.seal(plain, claims.session_id.bytes)
        return {_SEALED: to_base64url(sealed).decode("ascii")}

    def _with_roles(self, claims: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return claims with the roles that we have encrypted in them."""
        if _SEALED not in claims:
            return claims
        try:
            sealed = from_base64url(text(claims, _SEALED))
            role, *roles = json.loads(self._box.open(sealed, UUID(claims["sid"]).bytes))
        except CannotDecrypt:
            raise TokenRejected("wrong_claims") from None
        return {**claims, "role": role, "roles": roles}


def _optional(claims: AccessClaims) -> dict[str, Any]:
    """Return the claims that only some tokens have."""
    payload: dict[str, Any] = {}
    if claims.client_id != OWN_CLIENT:
        payload["client_gen"] = claims.client_gen
    if claims.rests_on:
        payload["rests_on"] = claims.rests_on
    if claims.userinfo:
        payload["userinfo"] = claims.userinfo
    if claims.secret_ends_at is not None:
        payload["secret_exp"] = int(claims.secret_ends_at.timestamp())
    if claims.jkt is not None:
        payload["cnf"] = {"jkt": claims.jkt}
    if claims.auth_time is not None:
        payload["auth_time"] = int(claims.auth_time.timestamp())
        payload["acr"] = acr_of(claims.amr)
        payload["amr"] = claims.amr
    return payload


def _read(claims: Mapping[str, Any]) -> AccessClaims:
    client_id, is_of_user = text(claims, "client_id"), "role" in claims
    # A token that was exchanged for an API key has a role, and no sign-in.
    has_signed_in = "auth_time" in claims
    if client_id != OWN_CLIENT:
        UUID(client_id)
    if (has_signed_in or client_id == OWN_CLIENT) and not claims.keys() >= _OF_A_USER:
        raise TokenRejected("wrong_claims")
    return AccessClaims(
        subject=UUID(claims["sub"]),
        session_id=UUID(claims["sid"]),
        generation=whole(claims, "gen"),
        role=Role(claims["role"]) if is_of_user else None,
        roles=_texts(claims.get("roles", [])),
        auth_time=_moment(claims, "auth_time") if has_signed_in else None,
        amr=_texts(claims["amr"]) if has_signed_in else (),
        # The previous release wrote none, and every account was of the first generation then.
        sub_gen=whole(claims, "sub_gen", 0),
        client_id=client_id,
        client_gen=whole(claims, "client_gen", 0),
        scope=tuple(text(claims, "scope").split()),
        audience=_audience(claims["aud"]),
        rests_on=tuple((UUID(of), _generation(gen)) for of, gen in claims.get("rests_on", [])),
        secret_ends_at=_moment(claims, "secret_exp") if "secret_exp" in claims else None,
        userinfo=_texts(claims.get("userinfo", [])),
        jkt=text(claims["cnf"], "jkt") if "cnf" in claims else None,
        actors=_actors(claims.get("act")),
        tells_roles=_SEALED not in claims,
    )


def act_of(actors: Sequence[UUID]) -> dict[str, Any]:
    """Return the claim that names who acts, the present one outermost (RFC 8693 section 4.1)."""
    act: dict[str, Any] = {}
    for actor in reversed(actors):
        act = {"sub": str(actor), **({"act": act} if act else {})}
    return act


def _actors(act: Any) -> tuple[UUID, ...]:
    found = []
    while act is not None:
        found.append(UUID(act["sub"]))
        act = act.get("act")
    return tuple(found)


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    return datetime.fromtimestamp(whole(claims, name), UTC)


def _generation(value: Any) -> int:
    return whole({"gen": value}, "gen")


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TokenRejected("wrong_claims")
    return tuple(value)


def _audience(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    # RFC 7519 section 4.1.3; a single one is written as a string.
    if len(audience := _texts(value)) < 2:
        raise TokenRejected("wrong_audience")
    return audience
