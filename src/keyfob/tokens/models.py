"""Signing keys, and the claims that they sign."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from keyfob.authority.models import Role
from keyfob.core.encoding import to_base64url

# The client of tokens of our own sign-ins, which is not a registered one.
OWN_CLIENT = "keyfob"

# The most seconds that a token lives, whatever a client asks for (`access_token_ttl`).
LONGEST_TTL = 3600

# The most seconds that an ID token lives.
LONGEST_ID_TOKEN = 3600

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class KeyHistory(NamedTuple):
    """A key that was ever made, without its halves; it retires when its successor signs."""

    position: int
    kid: str
    algorithm: str
    created_at: datetime
    signs_from: datetime
    retires_at: datetime | None
    dropped_at: datetime | None
    signs: str = "access_tokens"  # or "id_tokens"


class SealedKey(NamedTuple):
    """A key as stored in the database, with its private half encrypted."""

    position: int
    kid: str
    algorithm: str
    public_jwk: dict[str, Any]
    private_key: bytes
    created_at: datetime
    signs_from: datetime
    dropped_at: datetime | None = None


@dataclass(frozen=True)
class SigningKey:
    """A key pair with its place in the rotation.

    It verifies from its creation on; it signs from `signs_from` until its successor does.
    """

    position: int
    kid: str
    algorithm: str
    public_jwk: dict[str, Any]
    created_at: datetime
    signs_from: datetime
    dropped_at: datetime | None
    public_key: PublicKey = field(repr=False)
    private_key: PrivateKey = field(repr=False)

    def header(self, typ: str) -> str:
        """Return the header of this key's tokens of a type (RFC 7515 section 3.1), encoded."""
        header = {"alg": self.algorithm, "kid": self.kid, "typ": typ}
        return to_base64url(json.dumps(header, separators=(",", ":")).encode()).decode("ascii")


class TokenKind(NamedTuple):
    """The common properties of tokens of one kind, so that none is accepted as another.

    `typ` is in the header (RFC 8725 section 3.11). Without an `audience`, each token has its own,
    which the caller writes and compares. After `longest` seconds since its issue a token has
    expired, whatever it says itself. `required` are the claims that it must have. A text of more
    than `most_characters` is not even parsed.
    """

    typ: str
    audience: str | None
    longest: int
    required: frozenset[str]
    most_characters: int = 4096


class VerifiedClaims(NamedTuple):
    """The claims of a valid token, and the second at which it expires."""

    claims: dict[str, Any]
    expires_at: int
    kid: str


class AccessClaims(NamedTuple):
    """The claims of an access token (RFC 9068 section 2.2).

    Our own claims are those by which it can be revoked: `sid` and `gen`, the session (or grant, API
    key, or client of `client_credentials`) and its generation at issue; `sub_gen` and `client_gen`,
    the generations of the subject and of the client. A revocation names one of these ids with a
    generation, and revokes every token up to that; or it names the token's own id (`jti`).

    `sub` is a user, or the client itself of a service account, which has no `role`. If the secret
    that it showed has an end, `secret_exp` tells it: what the token makes may not outlive it.

    `jkt` is the thumbprint of the key that the token is bound to (`cnf`, RFC 9449 section 6.1).

    Unless it `tells_roles`, only we can read them in the token: whoever holds it, such as an app,
    may not know them.
    """

    subject: UUID
    session_id: UUID
    generation: int
    role: Role | None = None
    roles: tuple[str, ...] = ()  # with `role` before the further ones
    auth_time: datetime | None = None
    amr: tuple[str, ...] = ()
    ends_at: datetime | None = None  # no claim: limits the token's life
    sub_gen: int = 0
    client_id: str = OWN_CLIENT
    client_gen: int = 0
    scope: tuple[str, ...] = ("account",)
    audience: tuple[str, ...] = ()  # if empty, our own
    rests_on: tuple[tuple[UUID, int], ...] = ()  # what else revokes an exchanged token
    secret_ends_at: datetime | None = None
    actors: tuple[UUID, ...] = ()  # clients that act for the subject, the present one first
    userinfo: tuple[str, ...] = ()  # names of claims that `userinfo` tells beyond the scope
    jkt: str | None = None
    tells_roles: bool = True


class VerifiedToken(NamedTuple):
    """The claims of a valid token, and the second at which it expires.

    `token_id` is its `jti`: 128 bits, by which it can be revoked alone.
    """

    claims: AccessClaims
    expires_at: int
    kid: str
    token_id: UUID
    issued_at: int
