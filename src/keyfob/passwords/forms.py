"""The written forms of password hashes that can be checked: ours, and those of other systems.

- Keyfob and passlib: `$bcrypt-sha256$v=2,t=2b,r=12$salt$digest`, HMAC-SHA-256 keyed by the salt
  under bcrypt; the older `$bcrypt-sha256$2b,12$salt$digest`, SHA-256 under bcrypt
- Keyfob, PHC and passlib: `$argon2id$...`, `$argon2i$...`, `$argon2d$...`; Django: `argon2$...`
- anyone: `$2a$`, `$2b$`, `$2y$`, bcrypt of the first 72 bytes; Django: `bcrypt$`, LDAP and
  Dovecot: `{CRYPT}`, `{BLF-CRYPT}` before it
- Django: `bcrypt_sha256$$2b$...`, SHA-256 in hex under bcrypt; `pbkdf2_sha256$rounds$salt$digest`,
  `pbkdf2_sha1$...`, `scrypt$N$salt$r$p$digest`
- passlib: `$pbkdf2-sha256$29000$salt$digest`, and PHC: `$pbkdf2-sha256$i=29000,l=32$salt$digest`;
  each with sha512 and sha1, too
- passlib and PHC: `$scrypt$ln=16,r=8,p=1$salt$digest`
- better-auth, Lucia 3: `salt:digest` in hex, scrypt of the NFKC password; the salt is its hex text
- those of `imported.py`

An imported hash may come from an attacker: one that is malformed, or that would cost more than the
limits or than the caller allows, is not recognised and never computed.
"""

import base64
import hashlib
import hmac
import math
import re
from collections.abc import Callable

from pwdlib.hashers.argon2 import Argon2Hasher

from keyfob.passwords.families import (
    BCRYPT,
    BCRYPT_DIGEST,
    BCRYPT_SALT,
    DIGEST_BYTES,
    MAX_ARGON2_KIB,
    MAX_ARGON2_WORK,
    MAX_HASH_CHARACTERS,
    MAX_LANES,
    Check,
    Form,
    bcrypt_form,
    normalised,
    pbkdf2_form,
    require,
    scrypt_form,
    seconds_of_argon2,
    unbase64,
    utf8,
)
from keyfob.passwords.imported import IMPORTED

_BASE64_PAIR = r"\$(?P<salt>[A-Za-z0-9+/.]+)\$(?P<digest>[A-Za-z0-9+/.]+)"


def check_of(stored: str, most_seconds: float = math.inf) -> Check | None:
    """Return a function that checks a password against `stored`.

    Args:
        stored: a password hash in any of the forms above.
        most_seconds: the approximate time that a check may take.

    Returns:
        A function from the password, as typed, to whether it matches; it never raises. None if the
        hash is malformed, unknown, or costs more than the limits.
    """
    found = _read(stored)
    return found[1].check if found and found[1].seconds <= most_seconds else None


def parts_of(stored: str) -> re.Match[str] | None:
    """Return the parts of a hash by name, such as `salt` and `digest`; None as above."""
    found = _read(stored)
    return found[0] if found else None


def _read(stored: str) -> tuple[re.Match[str], Form] | None:
    if len(stored) > MAX_HASH_CHARACTERS or not stored.isascii():
        return None
    for pattern, read in _FORMS:
        if match := pattern.fullmatch(stored):
            try:
                return match, read(match)
            except ValueError:  # beyond a limit, or not base64
                return None
    return None


def prehashed(password: str, salt: str) -> bytes:
    """Return what `$bcrypt-sha256$v=2` passes to bcrypt: 44 bytes without NUL.

    The pre-hash is keyed by the salt, so that a leaked list of plain SHA-256 digests cannot be
    tried against it ("password shucking").
    """
    return base64.b64encode(hmac.digest(salt.encode(), utf8(password), "sha256"))


def _plain_bcrypt(match: re.Match[str]) -> Form:
    # bcrypt reads 72 bytes, and today's library refuses more: cut, as the original system did.
    return bcrypt_form(match, lambda password: utf8(password)[:72])


def _django_bcrypt_sha256(match: re.Match[str]) -> Form:
    return bcrypt_form(match, lambda password: hashlib.sha256(utf8(password)).hexdigest().encode())


def _passlib_bcrypt_sha256(match: re.Match[str]) -> Form:
    return bcrypt_form(
        match, lambda password: base64.b64encode(hashlib.sha256(utf8(password)).digest())
    )


def _keyed_bcrypt_sha256(match: re.Match[str]) -> Form:
    return bcrypt_form(match, lambda password: prehashed(password, match["salt"]))


def _argon2(match: re.Match[str]) -> Form:
    memory, passes, lanes = (int(match[name]) for name in ("memory", "passes", "lanes"))
    require(8 * lanes <= memory <= MAX_ARGON2_KIB and lanes <= MAX_LANES)
    require(memory * passes <= MAX_ARGON2_WORK)
    require(len(unbase64(match["salt"])) >= 8)
    require(len(unbase64(match["digest"])) in DIGEST_BYTES)
    return Form(
        lambda password: Argon2Hasher().verify(utf8(password), match["phc"]),
        seconds_of_argon2(memory, passes),
    )


def _django_pbkdf2(match: re.Match[str]) -> Form:
    digest = unbase64(match["digest"])
    return pbkdf2_form(match["name"], int(match["rounds"]), match["salt"].encode(), digest)


def _passlib_pbkdf2(match: re.Match[str]) -> Form:
    salt, digest = unbase64(match["salt"]), unbase64(match["digest"])
    require(match["length"] is None or int(match["length"]) == len(digest))
    return pbkdf2_form(match["name"] or "sha1", int(match["rounds"]), salt, digest)


def _django_scrypt(match: re.Match[str]) -> Form:
    n, r, p = (int(match[name]) for name in "nrp")
    return scrypt_form(n, r, p, match["salt"].encode(), unbase64(match["digest"]))


def _passlib_scrypt(match: re.Match[str]) -> Form:
    ln, r, p = int(match["ln"]), int(match["r"]), int(match["p"])
    return scrypt_form(1 << ln, r, p, unbase64(match["salt"]), unbase64(match["digest"]))


def _better_auth(match: re.Match[str]) -> Form:
    form = scrypt_form(16384, 16, 1, match["salt"].encode(), bytes.fromhex(match["digest"]))
    return Form(lambda password: form.check(normalised(password, "NFKC")), form.seconds)


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Form]], ...] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (
            rf"\$bcrypt-sha256\$v=2,t=(?P<kind>2[aby]),r=(?P<cost>\d{{1,2}})\${BCRYPT_SALT}"
            rf"\${BCRYPT_DIGEST}",
            _keyed_bcrypt_sha256,
        ),
        (
            r"(?:argon2)?(?P<phc>\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?"
            r"m=(?P<memory>[1-9]\d{0,6}),t=(?P<passes>[1-9]\d{0,6}),p=(?P<lanes>[1-9]\d?)"
            r"\$(?P<salt>[A-Za-z0-9+/]{1,128})\$(?P<digest>[A-Za-z0-9+/]{1,128}))",
            _argon2,
        ),
        (rf"(?:bcrypt\$|(?ai:\{{(?:BLF-)?CRYPT\}}))?{BCRYPT}", _plain_bcrypt),
        (rf"bcrypt_sha256\${BCRYPT}", _django_bcrypt_sha256),
        (
            rf"\$bcrypt-sha256\$(?P<kind>2[aby]),(?P<cost>\d{{1,2}})\${BCRYPT_SALT}"
            rf"\${BCRYPT_DIGEST}",
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
        (r"(?P<salt>[0-9a-fA-F]{32,64}):(?P<digest>[0-9a-fA-F]{128})", _better_auth),
        *IMPORTED,
    )
)
