"""Secrets of programs: random, so that one HMAC checks them, and recognisable without a look-up.

`kfk_` (an API key), `kfs_` (a client secret) or `kfi_` (an initial access token), 43 characters of
base62 (256 random bits), and 6 of base62: the CRC-32 of everything before. A scanner finds them by
`kf[iks]_[0-9A-Za-z]{49}` and checks the checksum, as we do before any query.
"""

import zlib
from collections import Counter
from collections.abc import Iterable
from string import ascii_letters, digits
from typing import NamedTuple

from keyfob.core.encryption import KeyRing
from keyfob.core.secrets import random_bytes

_ALPHABET = digits + ascii_letters
_RANDOM = 43
_CHECKSUM = 6
_LENGTH = len("kfk_") + _RANDOM + _CHECKSUM


class NewSecret(NamedTuple):
    """A secret, to be shown once, and its digest, for storage."""

    text: str
    digest: bytes


class MachineSecrets:
    """Makes and recognises the secrets of one kind, of which only digests are stored.

    A digest is the id of the server's secret key (3 bytes) and the HMAC-SHA-256 with it (32 bytes),
    so that a copy of the database reveals nothing, and old secrets stay valid when the key is
    rotated.

    Args:
        ring: the server's secret keys for this purpose.
        prefix: the beginning of each secret, such as `kfk_`.
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
        """Return the digests under which a secret may be stored, the present form first.

        A text that we did not make has none: it is refused without a look-up.
        """
        is_ours = (
            len(text) == _LENGTH
            and text.startswith(self.prefix)
            and text.isascii()
            and _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]
        )
        return self._digests(text) if is_ours else []

    @property
    def key_id(self) -> bytes:
        """The id of the secret key with which new digests are made: they begin with it.

        A digest with another key is renewed when its secret is used again.
        """
        return self._ring.first.id

    def count_by_place(self, amounts: Iterable[tuple[bytes, int]]) -> Counter[int | None]:
        """Sum the amounts for each key id up by the key's place; None for keys not in the list."""
        return self._ring.count_by_place(amounts)

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
