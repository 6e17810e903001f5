"""Hashes that no library of ours supports: SHA-crypt, and the portable hash of phpass.

Both encode bits in crypt's own alphabet, six at a time, the lowest first.
"""

import hashlib
import time
from collections.abc import Iterator

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Each round hashes the password again, so a long one would cost many times the estimate.
LONGEST_PASSWORD = 256  # bytes

# About every half millisecond, the computing thread lets the event loop run for a moment.
_ROUNDS_AT_A_TIME = 500


def sha_crypt(name: str, password: bytes, salt: bytes, rounds: int) -> str:
    """Return the digest of `$5$` (sha256) or `$6$` (sha512), by the specification of 2008.

    https://www.akkadia.org/drepper/SHA-crypt.txt; the comments contain the numbers of its steps.
    """
    new = getattr(hashlib, name)
    beside: bytes = new(password + salt + password).digest()  # 4 to 8
    first = new(password + salt + _stretch(beside, len(password)))  # 1 to 3, 9, 10
    length = len(password)
    while length:  # 11
        first.update(beside if length & 1 else password)
        length >>= 1
    digest: bytes = first.digest()  # 12
    word = _stretch(new(password * len(password)).digest(), len(password))  # 13 to 16
    salted = _stretch(new(salt * (16 + digest[0])).digest(), len(salt))  # 17 to 20
    for number in _in_turns(rounds):  # 21
        odd = number & 1
        mixed = word if odd else digest
        if number % 3:
            mixed += salted
        if number % 7:
            mixed += word
        digest = new(mixed + (digest if odd else word)).digest()
    return _write(digest, _order(len(digest)))  # 22


def phpass(password: bytes, salt: bytes, log2_rounds: int) -> str:
    """Return the digest of `$P$` or `$H$`: repeated MD5 of the salt and the password."""
    digest = hashlib.md5(salt + password, usedforsecurity=False).digest()
    for _ in _in_turns(1 << log2_rounds):
        digest = hashlib.md5(digest + password, usedforsecurity=False).digest()
    return _write(digest, [[*range(i, min(i + 3, 16))] for i in range(0, 16, 3)])


def value_of(character: str) -> int:
    """Return the value of a character of the alphabet."""
    return _ALPHABET.index(character)


def _in_turns(rounds: int) -> Iterator[int]:
    for begin in range(0, rounds, _ROUNDS_AT_A_TIME):
        yield from range(begin, min(begin + _ROUNDS_AT_A_TIME, rounds))
        time.sleep(0)


def _stretch(digest: bytes, length: int) -> bytes:
    return (digest * (length // len(digest) + 1))[:length]


def _order(size: int) -> list[list[int]]:
    """Return the bytes of a SHA-crypt digest that are encoded together, the lowest bits first."""
    third = size // 3
    groups = []
    for i in range(third):
        group = [i, i + third, i + 2 * third]
        turn = i * (1 + third % 3) % 3
        groups.append([*group[turn:], *group[:turn]][::-1])
    return [*groups, [*range(third * 3, size)]]


def _write(digest: bytes, groups: list[list[int]]) -> str:
    written = ""
    for group in groups:
        bits = sum(digest[byte] << 8 * place for place, byte in enumerate(group))
        for _ in range((len(group) * 8 + 5) // 6):
            written += _ALPHABET[bits & 63]
            bits >>= 6
    return written
