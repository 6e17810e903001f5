"""The refresh token: its contents, and the check for forged ones without the database.

`kfr_` + base64url(version 1, key id 3, session id 16, generation 4, salt 16, MAC 32): 72 bytes, 96
characters, no padding bits. MAC = HMAC-SHA-256(server key, the 40 bytes before it).

A token that stays (version 2, of apps alone) is good for many refreshes; its generation is 0.

The salt is random, is made at sign-in and is stored by the client only: the row contains its
SHA-256. So neither a leaked database nor a leaked server key lets anyone make a token, nor both
together.
"""

import hashlib
from typing import NamedTuple
from uuid import UUID

from keyfob.core.encoding import from_base64url, to_base64url
from keyfob.core.encryption import KEY_ID_BYTES, DerivedKey, KeyRing
from keyfob.core.secrets import compare_digest

PREFIX, PREFIX_OF_APPS = "kfr_", "kfg_"
SALT_BYTES = 16
_ROTATES, _STAYS = b"\x01", b"\x02"  # versions
_MAC_BYTES = 32
_ENCODED_LENGTH = len(PREFIX) + 96
_ID = slice(1 + KEY_ID_BYTES, 20)
_GENERATION = slice(20, 24)
_SALT = slice(24, 40)
LAST_GENERATION = 2**31 - 1


class RefreshToken(NamedTuple):
    """The contents of a genuine refresh token. One that `stays` is not used up by a refresh."""

    session_id: UUID
    generation: int
    salt: bytes
    stays: bool = False

    @property
    def secret_hash(self) -> bytes:
        """The SHA-256 of the salt, as stored in the session's row."""
        return hashlib.sha256(self.salt).digest()


class RefreshTokenCodec:
    """Writes refresh tokens with the first server key, and reads those of every key.

    Those of apps begin with another `prefix`, and their MAC includes the id of the client
    (`holder`): shown by another client, such a token is forged.
    """

    def __init__(self, ring: KeyRing, prefix: str = PREFIX) -> None:
        self._ring = ring
        self._prefix = prefix
        self._versions = (_ROTATES, _STAYS) if prefix == PREFIX_OF_APPS else (_ROTATES,)

    def write(self, token: RefreshToken, holder: bytes = b"") -> str:
        """Return the token as text, which is always the same for a session and generation."""
        key = self._ring.first
        body = b"".join(
            (
                _STAYS if token.stays else _ROTATES,
                key.id,
                token.session_id.bytes,
                token.generation.to_bytes(4),
                token.salt,
            )
        )
        return self._prefix + to_base64url(body + key.mac(body + holder)).decode("ascii")

    def read(self, text: str, holder: bytes = b"") -> RefreshToken | None:
        """Return the contents of a token; None if it is not genuine. Does not use the database."""
        if len(text) != _ENCODED_LENGTH or not text.startswith(self._prefix):
            return None
        try:
            data = from_base64url(text[len(self._prefix) :])
        except ValueError:
            return None
        body, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
        key = self._key_of(body)
        if key is None or not compare_digest(key.mac(body + holder), mac):
            return None
        generation = int.from_bytes(body[_GENERATION])
        return RefreshToken(UUID(bytes=body[_ID]), generation, body[_SALT], body[:1] == _STAYS)

    def _key_of(self, body: bytes) -> DerivedKey | None:
        is_known = body[:1] in self._versions
        return self._ring.find(body[1 : 1 + KEY_ID_BYTES]) if is_known else None
