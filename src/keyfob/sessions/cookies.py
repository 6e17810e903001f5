"""The value of a browser's cookie: its contents, and the check for forged ones.

`kfb_` + base64url(version 1, key id 3, session id 16, generation 4, subject generation 6, salt 16,
MAC 32): 78 bytes, 104 characters, no padding bits. MAC = HMAC-SHA-256(server key, all before it).
As in a refresh token, the salt is random and only the browser has it; the row contains its SHA-256.
"""

from typing import NamedTuple
from uuid import UUID

from keyfob.core.encoding import from_base64url, to_base64url
from keyfob.core.encryption import KEY_ID_BYTES, KeyRing
from keyfob.core.secrets import compare_digest
from keyfob.sessions.refresh_tokens import RefreshToken

PREFIX = "kfb_"
_VERSION = b"\x01"
_MAC_BYTES = 32
_ENCODED_LENGTH = len(PREFIX) + 104
_ID = slice(1 + KEY_ID_BYTES, 20)
_GENERATION = slice(20, 24)
_SUB_GEN = slice(24, 30)
_SALT = slice(30, 46)


class SessionCookie(NamedTuple):
    """The contents of a genuine cookie: the session's token, and the account's generation."""

    token: RefreshToken
    sub_gen: int


class SessionCookieCodec:
    """Writes cookies with the first server key, and reads those of every key."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def write(self, cookie: SessionCookie) -> str:
        """Return the value, which is always the same for the same contents."""
        key, token = self._ring.first, cookie.token
        body = b"".join(
            (
                _VERSION,
                key.id,
                token.session_id.bytes,
                token.generation.to_bytes(4),
                cookie.sub_gen.to_bytes(6),
                token.salt,
            )
        )
        return PREFIX + to_base64url(body + key.mac(body)).decode("ascii")

    def read(self, text: str) -> SessionCookie | None:
        """Return the contents of a value; None if it is not genuine. Does not use the database."""
        if len(text) != _ENCODED_LENGTH or not text.startswith(PREFIX):
            return None
        try:
            data = from_base64url(text[len(PREFIX) :])
        except ValueError:
            return None
        body, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
        key = self._ring.find(body[1 : 1 + KEY_ID_BYTES]) if body[:1] == _VERSION else None
        if key is None or not compare_digest(key.mac(body), mac):
            return None
        generation = int.from_bytes(body[_GENERATION])
        token = RefreshToken(UUID(bytes=body[_ID]), generation, body[_SALT])
        return SessionCookie(token, int.from_bytes(body[_SUB_GEN]))
