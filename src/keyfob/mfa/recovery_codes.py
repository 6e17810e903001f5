"""Recovery codes: each replaces a lost factor once.

A code is 120 random bits as six groups of Crockford's base32. It cannot be guessed, so a plain
SHA-256 is stored (OWASP ASVS 6.5.2: from 112 bits on); the table reveals no code.
"""

import hashlib

from keyfob.core.secrets import random_bytes
from keyfob.core.text import read_code

COUNT = 10
_BYTES = 15
_GROUP = 4
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_MISREAD = str.maketrans({"o": "0", "i": "1", "l": "1"})


def new_codes() -> list[str]:
    """Return ten codes, which are shown once."""
    return [_new_code() for _ in range(COUNT)]


def _new_code() -> str:
    number = int.from_bytes(random_bytes(_BYTES))
    letters = "".join(_ALPHABET[number >> shift & 31] for shift in range(_BYTES * 8 - 5, -1, -5))
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


def digest(code: str) -> bytes:
    """Return the digest of a code, for storage.

    It does not depend on the spelling (`read_code`): upper and lower case are equal, as are o and
    0, and i, l and 1.
    """
    return hashlib.sha256(read_code(code).lower().translate(_MISREAD).encode()).digest()
