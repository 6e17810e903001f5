"""ID tokens, which tell a client of a sign-in (OpenID Connect Core 1.0, section 2)."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from keyfob.core.clock import Clock
from keyfob.core.encoding import to_base64url
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import LONGEST_ID_TOKEN, TokenKind
from keyfob.tokens.signing import SignedTokens, text

# By the hash of their signature, the default first.
_HASHES = {"RS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}
ID_TOKEN_ALGORITHMS = tuple(_HASHES)

_KIND = TokenKind(
    "JWT",
    None,
    longest=LONGEST_ID_TOKEN,
    required=frozenset({"sub"}),
    most_characters=8192,  # with the names of all roles
)
_OF_THE_TOKEN = frozenset({"iss", "aud", "iat", "exp", "nbf", "jti"})


class IdTokenHint(NamedTuple):
    """The sign-in that an ID token of ours was issued for."""

    subject: UUID
    client_id: str
    sid: str | None


class IdTokens:
    """Signs ID tokens, and reads them when a client shows one again."""

    def __init__(self, keyring: Keyring, clock: Clock, *, issuer: str) -> None:
        self._keyring = keyring
        self._signed = SignedTokens(keyring.id_tokens, clock, issuer=issuer, kind=_KIND)

    async def prepare(self, algorithm: str) -> None:
        """Make sure that a key signs by that algorithm; the first RSA key takes some 0.2 s.

        Raises:
            Unavailable: there is none yet, and the database does not answer.
        """
        await self._keyring.prepare(algorithm)

    async def issue(
        self,
        *,
        subject: UUID,
        client_id: str,
        algorithm: str,
        auth_time: datetime | None,
        amr: Sequence[str],
        acr: str | None,
        nonce: str | None,
        sid: str | None,
        access_token: str | None,
        claims: Mapping[str, Any],
        lifetime: int,
    ) -> str:
        """Return a signed ID token that lives `lifetime` seconds, an hour at most.

        Args:
            subject: the user.
            client_id: the client that it is for, its only audience.
            algorithm: one of ID_TOKEN_ALGORITHMS.
            auth_time: when the user signed in.
            amr: by what (RFC 8176).
            acr: how well.
            nonce: as in the client's request.
            sid: the id of the browser's session for this client.
            access_token: one that is issued with it, and bound to it by `at_hash`.
            claims: further claims of the user; they never replace those of the token.
            lifetime: in seconds.

        Raises:
            Unavailable: no key signs by that algorithm yet, and the database does not answer.
        """
        await self.prepare(algorithm)
        told = {
            "auth_time": None if auth_time is None else int(auth_time.timestamp()),
            "amr": list(amr) or None,
            "acr": acr,
            "nonce": nonce,
            "sid": sid,
            "at_hash": access_token and hash_half(algorithm, access_token),
        }
        payload = {
            **{name: value for name, value in claims.items() if name not in _OF_THE_TOKEN},
            **{name: value for name, value in told.items() if value is not None},
            "sub": str(subject),
            "aud": client_id,
        }
        lifetime = min(lifetime, LONGEST_ID_TOKEN)
        return self._signed.sign(payload, lifetime=lifetime, algorithm=algorithm)

    def read_hint(self, token: str, client_id: str | None = None) -> IdTokenHint:
        """Return what an `id_token_hint` says; it may have expired (RP-Initiated Logout section 2).

        Its key must still be known, and its audience be `client_id`, if that is given.

        Raises:
            TokenRejected: it is no ID token of ours, or one of another client.
        """
        claims = self._signed.verify(token, even_expired=True).claims
        audience = text(claims, "aud")
        if client_id not in (None, audience):
            raise TokenRejected("wrong_audience")
        try:
            subject = UUID(text(claims, "sub"))
        except ValueError:
            raise TokenRejected("wrong_claims") from None
        return IdTokenHint(subject, audience, text(claims, "sid") if "sid" in claims else None)


def hash_half(algorithm: str, value: str) -> str:
    """Return `at_hash`: the left half of the hash that belongs to an algorithm (Core 3.1.3.6).

    Of Ed25519 that is SHA-512, which it uses itself (RFC 8032 section 5.1).
    """
    digest = _HASHES[algorithm](value.encode("ascii")).digest()
    return to_base64url(digest[: len(digest) // 2]).decode("ascii")
