"""Recovery codes: what stands in for a factor that was lost, once each.

120 random bits as six groups of Crockford's base32. Nobody guesses that, so a plain SHA-256 is
kept (OWASP ASVS 6.5.2: from 112 bits on); who reads the table finds no code.
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
    """Return ten codes, to be shown once."""
    return [_new_code() for _ in range(COUNT)]


def _new_code() -> str:
    number = int.from_bytes(random_bytes(_BYTES))
    letters = "".join(_ALPHABET[number >> shift & 31] for shift in range(_BYTES * 8 - 5, -1, -5))
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


def digest(code: str) -> bytes:
    """Return what is kept of a code.

    However it was typed (`read_code`): in any case, o for 0, i or l for 1.
    """
    return hashlib.sha256(read_code(code).lower().translate(_MISREAD).encode()).digest()
