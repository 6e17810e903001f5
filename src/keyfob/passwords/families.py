"""Shared parts of the forms of password hashes: limits of all costs, and the hash functions."""

import base64
import hashlib
import math
import re
import unicodedata
from collections.abc import Callable
from itertools import groupby
from typing import Final, Literal, NamedTuple, TypeAlias

from pwdlib.hashers.bcrypt import BcryptHasher

from keyfob.core.secrets import compare_digest

MAX_HASH_CHARACTERS = 512
MAX_BCRYPT_COST: Final = 16
MAX_ARGON2_KIB = 256 * 1024
MAX_ARGON2_WORK = 4 * 1024 * 1024  # KiB times passes: about four seconds of a core
MAX_PBKDF2_ROUNDS = 10_000_000
_MAX_SCRYPT_BYTES = 256 * 1024 * 1024
_MAX_SCRYPT_WORK = 8 * 1024 * 1024  # N times r times p: about three seconds of a core
MAX_LANES = 16
DIGEST_BYTES = range(16, 65)  # a shorter digest could match by chance

# The approximate seconds that each takes on one core of today.
_BCRYPT_OF_COST_12 = 0.25
_ARGON2_KIB = 1e-6
_PBKDF2_ROUND = 3.5e-7
_SCRYPT_BLOCK = 3.6e-7
_CRYPT_ROUND = 2.5e-6  # for SHA-crypt and phpass, whose rounds run in Python, beside other work

# Hashes that take this many times the present one are excessive, if they also take longer than
# the following time.
_FAR_DEARER = 8
_CHEAP_SECONDS = 1.0

BCRYPT_SALT = r"(?P<salt>[./A-Za-z0-9]{21}[.Oeu])"
BCRYPT_DIGEST = r"(?P<digest>[./A-Za-z0-9]{30}[.CGKOSWaeimquy26])"
BCRYPT = rf"\$(?P<kind>2[aby])\$(?P<cost>\d\d)\${BCRYPT_SALT}{BCRYPT_DIGEST}"

Check: TypeAlias = Callable[[str], bool]


class Form(NamedTuple):
    """The use of a stored hash: `check` checks a password, in about so many `seconds`."""

    check: Check
    seconds: float


def most_seconds(present: float) -> float:
    """Return the most that a stored hash may take; otherwise few guesses would block all threads.

    `present`: the seconds that a hash of the scheme for new hashes takes.
    """
    return max(_CHEAP_SECONDS, _FAR_DEARER * present)


def seconds_of_bcrypt(cost: int) -> float:
    """Return the seconds of bcrypt; `cost` is the log2 of the rounds."""
    return _BCRYPT_OF_COST_12 * 2.0 ** (cost - 12)


def seconds_of_argon2(memory_kib: int, passes: int) -> float:
    """Return the seconds of argon2, for any number of lanes: they share the memory."""
    return _ARGON2_KIB * memory_kib * passes


def seconds_of_pbkdf2(rounds: int, blocks: int) -> float:
    """Return the seconds of PBKDF2; `blocks` is the number of hash outputs in the digest."""
    return _PBKDF2_ROUND * rounds * blocks


def seconds_of_scrypt(n: int, r: int, p: int) -> float:
    """Return the seconds of scrypt, by the parameters of RFC 7914."""
    return _SCRYPT_BLOCK * n * r * p


def seconds_of_crypt(rounds: int) -> float:
    """Return the seconds of SHA-crypt or phpass with the longest password that they accept."""
    return _CRYPT_ROUND * rounds


def normalised(password: str, form: Literal["NFC", "NFKC"] = "NFC") -> str:
    """Return the password in a normal form: what a user types must not depend on the keyboard.

    Threat: Python orders the combining marks of a letter in quadratic time, and blocks the
    interpreter meanwhile. So they are ordered here first, after decomposing each character, by a
    stable sort, which is equivalent (UAX #15, section 1.3; D108 and D109 of the Unicode standard).
    """
    if password.isascii():
        return password
    apart: Literal["NFD", "NFKD"] = "NFD" if form == "NFC" else "NFKD"
    decomposed = "".join(unicodedata.normalize(apart, character) for character in password)
    ordered = "".join(
        "".join(sorted(run, key=unicodedata.combining) if are_marks else run)
        for are_marks, run in groupby(decomposed, key=lambda mark: unicodedata.combining(mark) > 0)
    )
    return unicodedata.normalize("NFC", ordered)


def utf8(password: str) -> bytes:
    """Return the password in UTF-8; a lone surrogate raises nothing."""
    return password.encode("utf-8", "surrogatepass")


def require(bounded: bool) -> None:
    """Raise ValueError unless a parameter of a hash is within its limit."""
    if not bounded:
        raise ValueError("beyond a bound")


def unbase64(text: str) -> bytes:
    """Decode base64 with or without padding; passlib writes `.` for `+`.

    Raises:
        ValueError: it is not base64, or sets unused bits of its last character. Threat: argon2
            refuses such a hash at once, but its decoy takes the full time, so the two could be told
            apart.
    """
    text = text.rstrip("=").replace(".", "+")
    decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    require(base64.b64encode(decoded).rstrip(b"=") == text.encode())
    return decoded


def bcrypt_form(match: re.Match[str], prepare: Callable[[str], bytes]) -> Form:
    """Read bcrypt's own parts; `prepare` turns a password into bcrypt's input."""
    kind, cost, salt, digest = match.group("kind", "cost", "salt", "digest")
    require(4 <= int(cost) <= MAX_BCRYPT_COST)
    stored = f"${kind}${int(cost):02}${salt}{digest}"
    return Form(
        lambda password: BcryptHasher().verify(prepare(password), stored),
        seconds_of_bcrypt(int(cost)),
    )


def pbkdf2_form(name: str, rounds: int, salt: bytes, digest: bytes) -> Form:
    """Read PBKDF2 (RFC 8018) with the HMAC of the hash that `name` names."""
    require(1 <= rounds <= MAX_PBKDF2_ROUNDS and len(digest) in DIGEST_BYTES)
    blocks = math.ceil(len(digest) / hashlib.new(name, usedforsecurity=False).digest_size)
    return Form(
        lambda password: compare_digest(
            hashlib.pbkdf2_hmac(name, utf8(password), salt, rounds, len(digest)), digest
        ),
        seconds_of_pbkdf2(rounds, blocks),
    )


def scrypt(n: int, r: int, p: int, salt: bytes, size: int) -> tuple[Callable[[str], bytes], float]:
    """Return the scrypt function (RFC 7914) of a password, and its approximate seconds."""
    # Section 2: N is a power of two, less than 2^(16 r).
    require(r >= 1 and p >= 1 and 1 < n < 1 << 16 * r and n.bit_count() == 1)
    require(n * r * p <= _MAX_SCRYPT_WORK and 128 * r * (n + p) <= _MAX_SCRYPT_BYTES)
    memory = 128 * r * (n + p + 2)
    sizes = {"n": n, "r": r, "p": p, "maxmem": memory, "dklen": size}
    return (
        lambda password: hashlib.scrypt(utf8(password), salt=salt, **sizes),
        seconds_of_scrypt(n, r, p),
    )


def scrypt_form(n: int, r: int, p: int, salt: bytes, digest: bytes) -> Form:
    """Read a digest of scrypt."""
    require(len(digest) in DIGEST_BYTES)
    make, seconds = scrypt(n, r, p, salt, len(digest))
    return Form(lambda password: compare_digest(make(password), digest), seconds)
