"""Forms of hashes that come with accounts of other systems; no new hash is made in them.

- Werkzeug: `pbkdf2:sha256:600000$salt$digest`, `scrypt:32768:8:1$salt$digest`, digests in hex
- phpass (WordPress before 6.8, phpBB): `$P$`, `$H$`, then log2 of the rounds, salt and digest
- WordPress since 6.8: `$wp$2y$10$...`, bcrypt over an HMAC-SHA-384 of the trimmed password
- crypt: `$5$`, `$6$`, with or without `rounds=N$`; LDAP and Dovecot: `{CRYPT}` before it
- LDAP: `{SHA}`, `{SSHA}`, each with 256, 384 and 512, too; `{MD5}`, `{SMD5}`; RFC 2307
- ASP.NET Identity: version 2 and 3, base64 of one block of bytes
- Firebase: `$fbscrypt$v=1,n=14,r=8,p=1,ss=separator,sk=signer key$salt$digest`, Supabase's form
- Lucia: `s2:salt:digest` of version 2, `salt:digest` of version 1; version 3 writes better-auth's
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from keyfob.core.secrets import compare_digest
from keyfob.passwords import crypt_hashes
from keyfob.passwords.families import (
    BCRYPT,
    Form,
    bcrypt_form,
    normalised,
    pbkdf2_form,
    require,
    scrypt,
    scrypt_form,
    seconds_of_crypt,
    seconds_of_pbkdf2,
    unbase64,
    utf8,
)

MAX_CRYPT_ROUNDS = 1_000_000
_DEFAULT_CRYPT_ROUNDS = 5000
_ASPNET_V2_ROUNDS = 1000
_ASPNET_HASHES = ("sha1", "sha256", "sha512")

_HEX = "(?P<digest>[0-9a-fA-F]{32,128})"
_CRYPT_CHARACTER = "[./0-9A-Za-z]"
# crypt's digests of 16, 32 and 64 bytes; the unused bits of the last character are zero.
_MD5, _SHA256, _SHA512 = (
    f"{_CRYPT_CHARACTER}{{21}}[./01]",
    f"{_CRYPT_CHARACTER}{{42}}[./0-9A-D]",
    f"{_CRYPT_CHARACTER}{{85}}[./01]",
)


def _werkzeug_pbkdf2(match: re.Match[str]) -> Form:
    digest = bytes.fromhex(match["digest"])
    return pbkdf2_form(match["name"], int(match["rounds"]), match["salt"].encode(), digest)


def _werkzeug_scrypt(match: re.Match[str]) -> Form:
    n, r, p = (int(match[name]) for name in "nrp")
    return scrypt_form(n, r, p, match["salt"].encode(), bytes.fromhex(match["digest"]))


def _phpass(match: re.Match[str]) -> Form:
    log2_rounds = crypt_hashes.value_of(match["log2"])
    rounds = 1 << log2_rounds
    require(log2_rounds >= 7 and rounds <= MAX_CRYPT_ROUNDS)
    salt = match["salt"].encode()
    return _crypt_form(
        lambda password: crypt_hashes.phpass(password, salt, log2_rounds), match["digest"], rounds
    )


def _sha_crypt(match: re.Match[str]) -> Form:
    name = "sha256" if match["is256"] else "sha512"
    rounds = int(match["rounds"] or _DEFAULT_CRYPT_ROUNDS)
    require(1000 <= rounds <= MAX_CRYPT_ROUNDS)
    salt = match["salt"].encode()
    return _crypt_form(
        lambda password: crypt_hashes.sha_crypt(name, password, salt, rounds),
        match["digest"],
        rounds,
    )


def _crypt_form(make: Callable[[bytes], str], digest: str, rounds: int) -> Form:
    def check(password: str) -> bool:
        word = utf8(password)
        made = make(word[: crypt_hashes.LONGEST_PASSWORD])
        return compare_digest(made, digest) and len(word) <= crypt_hashes.LONGEST_PASSWORD

    return Form(check, seconds_of_crypt(rounds))


def _wordpress(match: re.Match[str]) -> Form:
    # It trims the typed password, as PHP's trim() does.
    return bcrypt_form(
        match,
        lambda password: base64.b64encode(
            hmac.digest(b"wp-sha384", utf8(password.strip(" \n\r\t\v\0")), "sha384")
        ),
    )


def _ldap(match: re.Match[str]) -> Form:
    name = match["name"].lower()
    name = "sha1" if name == "sha" else name
    size = hashlib.new(name, usedforsecurity=False).digest_size
    stored = unbase64(match["digest"])
    digest, salt = stored[:size], stored[size:]
    require(len(digest) == size)
    require(4 <= len(salt) <= 64 if match["salted"] else not salt)

    def check(password: str) -> bool:
        made = hashlib.new(name, utf8(password) + salt, usedforsecurity=False)
        return compare_digest(made.digest(), digest)

    return Form(check, seconds_of_pbkdf2(1, 1))


def _aspnet_v2(match: re.Match[str]) -> Form:
    block = unbase64(match[0])
    require(len(block) == 49 and block[0] == 0)
    return pbkdf2_form("sha1", _ASPNET_V2_ROUNDS, block[1:17], block[17:])


def _aspnet_v3(match: re.Match[str]) -> Form:
    block = unbase64(match[0])
    function, rounds, salt_size = (int.from_bytes(block[at : at + 4]) for at in (1, 5, 9))
    # The bits that `decoy_of` blanks begin with the lowest two of the salt's size.
    require(function < len(_ASPNET_HASHES) and salt_size >= 16 and salt_size % 4 == 0)
    end = 13 + salt_size
    return pbkdf2_form(_ASPNET_HASHES[function], rounds, block[13:end], block[end:])


def _firebase(match: re.Match[str]) -> Form:
    n, r = 1 << min(int(match["n"]), 32), int(match["r"])
    salt = unbase64(match["salt"]) + unbase64(match["separator"] or "")
    signer_key, digest = unbase64(match["key"]), unbase64(match["digest"])
    require(len(signer_key) >= 32 and len(digest) == len(signer_key))

    def derives(key: bytes) -> bool:
        # The IV is always zero: each key encrypts one text.
        encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        return compare_digest(encryptor.update(signer_key), digest)

    make, seconds = scrypt(n, r, 1, salt, 32)
    return Form(lambda password: derives(make(password)), seconds)


def _lucia(match: re.Match[str], r: int) -> Form:
    form = scrypt_form(16384, r, 1, match["salt"].encode(), bytes.fromhex(match["digest"]))
    return Form(lambda password: form.check(normalised(password, "NFKC")), form.seconds)


IMPORTED: tuple[tuple[str, Callable[[re.Match[str]], Form]], ...] = (
    (
        rf"pbkdf2:(?P<name>sha1|sha256|sha512):(?P<rounds>\d{{1,8}})\$(?P<salt>[^$]+)\${_HEX}",
        _werkzeug_pbkdf2,
    ),
    (
        r"scrypt:(?P<n>\d{1,8}):(?P<r>\d{1,4}):(?P<p>\d{1,4})\$(?P<salt>[^$]+)"
        rf"\${_HEX}",
        _werkzeug_scrypt,
    ),
    (
        rf"\$[PH]\$(?P<log2>{_CRYPT_CHARACTER})(?P<salt>{_CRYPT_CHARACTER}{{8}})"
        rf"(?P<digest>{_MD5})",
        _phpass,
    ),
    (rf"\$wp{BCRYPT}", _wordpress),
    (
        r"(?ai:\{CRYPT\})?\$(?:(?P<is256>5)|6)\$(?:rounds=(?P<rounds>\d{1,7})\$)?"
        rf"(?P<salt>[^$:\n]{{1,16}})\$(?P<digest>(?(is256){_SHA256}|{_SHA512}))",
        _sha_crypt,
    ),
    (
        r"(?ai:\{(?P<salted>S)?(?P<name>SHA(?:256|384|512)?|MD5)\})(?P<salt>)"
        r"(?P<digest>[A-Za-z0-9+/]+={0,2})",
        _ldap,
    ),
    (r"A(?P<salt>[A-P][A-Za-z0-9+/]{21})(?P<digest>[A-Za-z0-9+/]{43}==)", _aspnet_v2),
    (
        r"AQAAAA[A-Za-z0-9+/]{11}(?P<salt>[A-Za-z0-9+/]{22})(?P<digest>[A-Za-z0-9+/]+={0,2})",
        _aspnet_v3,
    ),
    (
        r"\$fbscrypt\$v=1,n=(?P<n>\d{1,2}),r=(?P<r>\d{1,4}),p=1"
        r"(?:,ss=(?P<separator>[A-Za-z0-9+/]+={0,2}))?,sk=(?P<key>[A-Za-z0-9+/]+={0,2})"
        r"\$(?P<salt>[A-Za-z0-9+/]+={0,2})\$(?P<digest>[A-Za-z0-9+/]+={0,2})",
        _firebase,
    ),
    (r"s2:(?P<salt>[A-Za-z0-9]{16}):(?P<digest>[0-9a-fA-F]{128})", lambda match: _lucia(match, 16)),
    (r"(?P<salt>[A-Za-z0-9]{16}):(?P<digest>[0-9a-fA-F]{128})", lambda match: _lucia(match, 8)),
)
