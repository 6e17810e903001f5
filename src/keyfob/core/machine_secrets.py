"""Secrets of programs: random, so one HMAC checks them, and recognized without a look-up.

`kfk_` (an API key) or `kfs_` (a client secret), 43 characters of base62 (256 random bits), and 6 of
base62: the CRC-32 of all before them. A scanner finds them by `kf[ks]_[0-9A-Za-z]{49}` and tells by
the checksum what is none, as we do before anything is asked of the database.
"""

import zlib
from string import ascii_letters, digits
from typing import NamedTuple

from keyfob.core.encryption import KEY_ID_BYTES, KeyRing
from keyfob.core.secrets import random_bytes

_ALPHABET = digits + ascii_letters
_RANDOM = 43
_CHECKSUM = 6
_LENGTH = len("kfk_") + _RANDOM + _CHECKSUM


class NewSecret(NamedTuple):
    """A secret, to be shown once, and its digest, to be kept."""

    text: str
    digest: bytes


class MachineSecrets:
    """Makes and recognizes the secrets of one kind; only digests of them are kept.

    A digest is the id of the server's secret key (3 bytes) and the HMAC-SHA-256 with it (32), so
    that a copy of the database tells nothing, and a key that is rotated leaves the old ones valid.

    Args:
        ring: the server's secret keys for this purpose.
        prefix: what each begins with, such as `kfk_`.
    """

    def __init__(self, ring: KeyRing, prefix: str) -> None:
        self._ring = ring
        self.prefix = prefix

    def make(self) -> NewSecret:
        """Return a new secret."""
        body = self.prefix + _base62(int.from_bytes(random_bytes(32)), _RANDOM)
        text = body + _checksum(body)
        return NewSecret(text, self._digests(text)[0])

    def digests(self, text: str) -> list[bytes]:
        """Return the digests that a secret may be kept as, the present form first.

        None at all of a text that we did not make: it is refused without a look-up.
        """
        is_ours = (
            len(text) == _LENGTH
            and text.startswith(self.prefix)
            and text.isascii()
            and _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]
        )
        return self._digests(text) if is_ours else []

    def place_of(self, digest: bytes) -> int | None:
        """Return the place in `KEYFOB_SECRET_KEY` of the key of a digest; None if it is not there.

        A digest of any place but the first (0) is to be renewed when its secret is shown again.
        """
        return self._ring.place_of(digest[:KEY_ID_BYTES])

    def _digests(self, text: str) -> list[bytes]:
        return [key.id + key.mac(text.encode("ascii")) for key in self._ring.keys]


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CHECKSUM)


def _base62(number: int, length: int) -> str:
    written = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        written.append(_ALPHABET[digit])
    return "".join(reversed(written))
