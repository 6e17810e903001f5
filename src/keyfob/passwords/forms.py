"""The written forms of password hashes that can be checked: ours, and those made elsewhere.

- Keyfob and passlib: `$bcrypt-sha256$v=2,t=2b,r=12$salt$digest`, HMAC-SHA-256 keyed by the salt
  under bcrypt; the older `$bcrypt-sha256$2b,12$salt$digest`, SHA-256 under bcrypt
- Keyfob, PHC and passlib: `$argon2id$...`, `$argon2i$...`, `$argon2d$...`; Django: `argon2$...`
- anyone: `$2a$`, `$2b$`, `$2y$`, bcrypt of the first 72 bytes; Django: `bcrypt$` before it
- Django: `bcrypt_sha256$$2b$...`, SHA-256 in hex under bcrypt; `pbkdf2_sha256$rounds$salt$digest`,
  `pbkdf2_sha1$...`, `scrypt$N$salt$r$p$digest`
- passlib: `$pbkdf2-sha256$29000$salt$digest`, and PHC: `$pbkdf2-sha256$i=29000,l=32$salt$digest`;
  each with sha512 and sha1, too
- passlib and PHC: `$scrypt$ln=16,r=8,p=1$salt$digest`
- better-auth: `salt:digest` in hex, scrypt of the NFKC password; the salt is its hex text

A stored hash may have been made by an enemy (an import): one that is malformed, or that would cost
more than the bounds below or what the caller allows, is not recognised and never computed.
"""

import base64
import hashlib
import hmac
import math
import re
import unicodedata
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from keyfob.core.secrets import compare_digest
from keyfob.passwords import costs

MAX_HASH_CHARACTERS = 512
MAX_BCRYPT_COST: Final = 16
MAX_ARGON2_KIB = 256 * 1024
MAX_ARGON2_WORK = 4 * 1024 * 1024  # KiB times passes: about four seconds of a core
MAX_PBKDF2_ROUNDS = 10_000_000
_MAX_SCRYPT_BYTES = 256 * 1024 * 1024
_MAX_SCRYPT_WORK = 8 * 1024 * 1024  # N times r times p: about three seconds of a core
_MAX_LANES = 16
_DIGEST_BYTES = range(16, 65)  # a shorter one could be met by chance

Check: TypeAlias = Callable[[str], bool]


class Form(NamedTuple):
    """What can be done with a stored hash: `check` a password, in about so many `seconds`."""

    check: Check
    seconds: float


_BCRYPT_SALT = r"(?P<salt>[./A-Za-z0-9]{21}[.Oeu])"
_BCRYPT_DIGEST = r"(?P<digest>[./A-Za-z0-9]{31})"
_BCRYPT = rf"\$(?P<kind>2[aby])\$(?P<cost>\d\d)\${_BCRYPT_SALT}{_BCRYPT_DIGEST}"
_BASE64_PAIR = r"\$(?P<salt>[A-Za-z0-9+/.]+)\$(?P<digest>[A-Za-z0-9+/.]+)"


def check_of(stored: str, most_seconds: float = math.inf) -> Check | None:
    """Return what tells whether a password is the one behind `stored`.

    Args:
        stored: a password hash in any of the forms above.
        most_seconds: what a check may cost, about.

    Returns:
        A function from the password, as typed, to the truth, which never raises; None where the
        hash is malformed, unknown, or costs more than the bounds.
    """
    found = _read(stored)
    return found[1].check if found and found[1].seconds <= most_seconds else None


def parts_of(stored: str) -> re.Match[str] | None:
    """Return the parts of a hash by their names, `salt` and `digest` among them; None as above."""
    found = _read(stored)
    return found[0] if found else None


def _read(stored: str) -> tuple[re.Match[str], Form] | None:
    if len(stored) > MAX_HASH_CHARACTERS or not stored.isascii():
        return None
    for pattern, read in _FORMS:
        if match := pattern.fullmatch(stored):
            try:
                return match, read(match)
            except ValueError:  # beyond a bound, or not base64
                return None
    return None


def utf8(password: str) -> bytes:
    """Return the password's bytes; a lone surrogate is no reason to raise."""
    return password.encode("utf-8", "surrogatepass")


def prehashed(password: str, salt: str) -> bytes:
    """Return what `$bcrypt-sha256$v=2` gives to bcrypt: 44 bytes, none of them NUL.

    Keyed by the salt, so that a leaked list of plain SHA-256 digests cannot be tried against it
    ("password shucking").
    """
    return base64.b64encode(hmac.digest(salt.encode(), utf8(password), "sha256"))


def _require(bounded: bool) -> None:
    if not bounded:
        raise ValueError("beyond a bound")


def _unbase64(text: str) -> bytes:
    """Decode base64 with or without padding; passlib writes `.` for `+`."""
    text = text.rstrip("=").replace(".", "+")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _bcrypt(match: re.Match[str], prepare: Callable[[str], bytes]) -> Form:
    kind, cost, salt, digest = match.group("kind", "cost", "salt", "digest")
    _require(4 <= int(cost) <= MAX_BCRYPT_COST)
    stored = f"${kind}${int(cost):02}${salt}{digest}"
    return Form(
        lambda password: BcryptHasher().verify(prepare(password), stored),
        costs.of_bcrypt(int(cost)),
    )


def _plain_bcrypt(match: re.Match[str]) -> Form:
    # bcrypt reads 72 bytes, and today's library refuses more: cut as the origin did.
    return _bcrypt(match, lambda password: utf8(password)[:72])


def _django_bcrypt_sha256(match: re.Match[str]) -> Form:
    return _bcrypt(match, lambda password: hashlib.sha256(utf8(password)).hexdigest().encode())


def _passlib_bcrypt_sha256(match: re.Match[str]) -> Form:
    return _bcrypt(
        match, lambda password: base64.b64encode(hashlib.sha256(utf8(password)).digest())
    )


def _keyed_bcrypt_sha256(match: re.Match[str]) -> Form:
    return _bcrypt(match, lambda password: prehashed(password, match["salt"]))


def _argon2(match: re.Match[str]) -> Form:
    memory, passes, lanes = (int(match[name]) for name in ("memory", "passes", "lanes"))
    _require(8 * lanes <= memory <= MAX_ARGON2_KIB and 1 <= lanes <= _MAX_LANES)
    _require(passes >= 1 and memory * passes <= MAX_ARGON2_WORK)
    _require(len(_unbase64(match["salt"])) >= 8)
    _require(len(_unbase64(match["digest"])) in _DIGEST_BYTES)
    return Form(
        lambda password: Argon2Hasher().verify(utf8(password), match["phc"]),
        costs.of_argon2(memory, passes),
    )


def _pbkdf2(name: str, rounds: int, salt: bytes, digest: bytes) -> Form:
    _require(1 <= rounds <= MAX_PBKDF2_ROUNDS and len(digest) in _DIGEST_BYTES)
    blocks = math.ceil(len(digest) / hashlib.new(name, usedforsecurity=False).digest_size)
    return Form(
        lambda password: compare_digest(
            hashlib.pbkdf2_hmac(name, utf8(password), salt, rounds, len(digest)), digest
        ),
        costs.of_pbkdf2(rounds, blocks),
    )


def _django_pbkdf2(match: re.Match[str]) -> Form:
    digest = _unbase64(match["digest"])
    return _pbkdf2(match["name"], int(match["rounds"]), match["salt"].encode(), digest)


def _passlib_pbkdf2(match: re.Match[str]) -> Form:
    salt, digest = _unbase64(match["salt"]), _unbase64(match["digest"])
    _require(match["length"] is None or int(match["length"]) == len(digest))
    return _pbkdf2(match["name"] or "sha1", int(match["rounds"]), salt, digest)


def _scrypt(n: int, r: int, p: int, salt: bytes, digest: bytes) -> Form:
    # RFC 7914 section 2: N is a power of two, less than 2^(16 r).
    _require(r >= 1 and p >= 1 and 1 < n < 1 << 16 * r and n.bit_count() == 1)
    _require(len(digest) in _DIGEST_BYTES)
    _require(n * r * p <= _MAX_SCRYPT_WORK and 128 * r * (n + p) <= _MAX_SCRYPT_BYTES)
    room = 128 * r * (n + p + 2)
    sizes = {"n": n, "r": r, "p": p, "maxmem": room, "dklen": len(digest)}
    return Form(
        lambda password: compare_digest(hashlib.scrypt(utf8(password), salt=salt, **sizes), digest),
        costs.of_scrypt(n, r, p),
    )


def _django_scrypt(match: re.Match[str]) -> Form:
    n, r, p = (int(match[name]) for name in "nrp")
    return _scrypt(n, r, p, match["salt"].encode(), _unbase64(match["digest"]))


def _passlib_scrypt(match: re.Match[str]) -> Form:
    ln, r, p = int(match["ln"]), int(match["r"]), int(match["p"])
    return _scrypt(1 << ln, r, p, _unbase64(match["salt"]), _unbase64(match["digest"]))


def _better_auth(match: re.Match[str]) -> Form:
    form = _scrypt(16384, 16, 1, match["salt"].encode(), bytes.fromhex(match["digest"]))
    return Form(lambda password: form.check(unicodedata.normalize("NFKC", password)), form.seconds)


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Form]], ...] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (
            rf"\$bcrypt-sha256\$v=2,t=(?P<kind>2[aby]),r=(?P<cost>\d{{1,2}})\${_BCRYPT_SALT}"
            rf"\${_BCRYPT_DIGEST}",
            _keyed_bcrypt_sha256,
        ),
        (
            r"(?:argon2)?(?P<phc>\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?"
            r"m=(?P<memory>\d{1,7}),t=(?P<passes>\d{1,7}),p=(?P<lanes>\d{1,2})"
            r"\$(?P<salt>[A-Za-z0-9+/]{1,128})\$(?P<digest>[A-Za-z0-9+/]{1,128}))",
            _argon2,
        ),
        (rf"(?:bcrypt\$)?{_BCRYPT}", _plain_bcrypt),
        (rf"bcrypt_sha256\${_BCRYPT}", _django_bcrypt_sha256),
        (
            rf"\$bcrypt-sha256\$(?P<kind>2[aby]),(?P<cost>\d{{1,2}})\${_BCRYPT_SALT}"
            rf"\${_BCRYPT_DIGEST}",
            _passlib_bcrypt_sha256,
        ),
        (
            r"pbkdf2_(?P<name>sha1|sha256)\$(?P<rounds>\d{1,8})\$(?P<salt>[^$]+)"
            r"\$(?P<digest>[A-Za-z0-9+/]+={0,2})",
            _django_pbkdf2,
        ),
        (
            r"\$pbkdf2(?:-(?P<name>sha1|sha256|sha512))?"
            rf"\$(?:i=)?(?P<rounds>\d{{1,8}})(?:,l=(?P<length>\d{{1,3}}))?{_BASE64_PAIR}",
            _passlib_pbkdf2,
        ),
        (
            r"scrypt\$(?P<n>\d{1,8})\$(?P<salt>[^$]+)\$(?P<r>\d{1,4})\$(?P<p>\d{1,4})"
            r"\$(?P<digest>[A-Za-z0-9+/]+={0,2})",
            _django_scrypt,
        ),
        (
            rf"\$scrypt\$ln=(?P<ln>\d{{1,2}}),r=(?P<r>\d{{1,4}}),p=(?P<p>\d{{1,4}}){_BASE64_PAIR}",
            _passlib_scrypt,
        ),
        (r"(?P<salt>[0-9a-fA-F]{16,64}):(?P<digest>[0-9a-fA-F]{128})", _better_auth),
    )
)
