"""Logout tokens, which tell an app of a sign-out (Back-Channel Logout 1.0 section 2.4)."""

from uuid import UUID

from keyfob.core.clock import Clock
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.models import TokenKind
from keyfob.tokens.signing import SignedTokens

_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LIVES = 120  # seconds: "preferably at most two minutes in the future"

_KIND = TokenKind(
    "logout+jwt", None, longest=_LIVES, required=frozenset({"sub", "sid", "events", "jti"})
)


class LogoutTokens:
    """Signs logout tokens, with the keys of ID tokens."""

    def __init__(self, keyring: Keyring, clock: Clock, *, issuer: str) -> None:
        self._keyring = keyring
        self._signed = SignedTokens(keyring.id_tokens, clock, issuer=issuer, kind=_KIND)

    async def issue(
        self, *, subject: UUID, client_id: UUID, sid: str, token_id: UUID, algorithm: str
    ) -> str:
        """Return a signed token.

        Args:
            subject: the user who has signed out.
            client_id: the app.
            sid: as in the ID tokens that the app got in the session that has ended.
            token_id: the `jti`.
            algorithm: that of the app's ID tokens.

        Raises:
            Unavailable: no key signs by that algorithm yet, and the database does not answer.
        """
        await self._keyring.prepare(algorithm)
        claims = {
            "sub": str(subject),
            "aud": str(client_id),
            "sid": sid,
            "jti": str(token_id),
            "events": {_EVENT: {}},
        }
        return self._signed.sign(claims, lifetime=_LIVES, algorithm=algorithm)
