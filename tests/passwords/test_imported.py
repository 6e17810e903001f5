"""Hashes of other systems: vectors that those publish, and some that their own code has made.

Werkzeug 3.1, passlib 1.7, PHP's and Node's own functions; the others as each line says.
"""

# A hash is one line.
# ruff: noqa: E501

import re
from string import ascii_letters, digits

import pytest
from tests.fixtures.world import World
from tests.passwords.test_forms import EVERY_FORM

from keyfob.passwords import families
from keyfob.passwords.forms import check_of, parts_of
from keyfob.passwords.stored import decoy_of

PASSWORD = "Correct hörse 42"
_SIGNER = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
_LUCIA_2 = "fdd60fe09e349c8d9aac4f344bb40fb68eac77ba35274e89afe33855914dee29c100c75df0f31765d85bdb51fb6d71947be9ed3d06a77ecd99d83c95e5516920"
_LUCIA_1 = "bf10dbe64470e1662710c5a55e5eba45a5ee89fa16de3802614756ad58bd85b21fca8fb7877012271d888f25c70711511ef7505ad3f3b95139514856253c93c7"

MADE: dict[str, tuple[str, str]] = {
    "werkzeug pbkdf2 sha256": (PASSWORD, "pbkdf2:sha256:1000$XAk5nIWqchB4keoL$34b0403d86b6e4da72ec8915db8923a75b8a0fb3a656d57196523a0d1d29b5cb"),
    "werkzeug pbkdf2 sha1": (PASSWORD, "pbkdf2:sha1:1000$f8EbzQqX412q4OFL$1cdb56eaf973c439785bc28da4ca07b4bfa2f43c"),
    "werkzeug pbkdf2 sha512": (PASSWORD, "pbkdf2:sha512:1000$bqQkyBOH36O1qwlm$bd89d65e93d3c0d9c037382cbfec05f12e7591c856ab70240110a53419eb57e173f6fb324134aa53c4250cfdc78b12e288ec012fc2172717e4d60b0d282dfc19"),
    "werkzeug scrypt": (PASSWORD, "scrypt:256:8:1$DHhxzYteNghjnAZf$b7d29bb9960c91673088ee464511f6367104909e7a7b3c8e30792d641c557786030cb8dc6ab304d257f73247d70f8347b09b9b83ddebca29fe8dc3e460e1012e"),
    "phpass": (PASSWORD, "$P$5Wu8u2vwSrzd7Oz5OTRs5IQuDQIZoB1"),
    "phpass's own test": ("test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"),
    "phpBB": (PASSWORD, "$H$5dC9Yhdve/OGDiInydEdIqFmZp8roQ."),
    "WordPress 6.8": (PASSWORD, "$wp$2y$04$2W/rheSypqGQiGhVWHYLYuJmHjNy7H86w1wt1Zqa5ZwSnJ7VmEYte"),
    "WordPress 6.8, as published": ("admin", "$wp$2y$10$Q1xinFjrZeLWJBvxviIL6u834Fu.evIEFHAUVisQ5O.w9Dm0sMdES"),
    "sha512-crypt": (PASSWORD, "$6$rounds=1000$Q6d3FCIwCkEdGVR/$/IJmr6jayLGYllldcDvb41rbxbRHPBfMcofTs71K39wU16UtSVuy4mMdMdYc1tlPDjRXDZsDKw2rKG4mtFF/70"),
    "sha512-crypt's specification": ("Hello world!", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"),
    "sha512-crypt of 10,000 rounds": ("Hello world!", "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."),
    "sha256-crypt": (PASSWORD, "$5$rounds=1000$Hl4hiQHIHaQ2VHAf$mMR/eVlK6wJJeNNU1ca33HxEjDYuxLydlu15ts97iHD"),
    "sha256-crypt's specification": ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    "crypt in LDAP": (PASSWORD, "{CRYPT}$5$rounds=1000$Hl4hiQHIHaQ2VHAf$mMR/eVlK6wJJeNNU1ca33HxEjDYuxLydlu15ts97iHD"),
    "bcrypt in LDAP": (PASSWORD, "{CRYPT}$2y$04$Zq9F4aV00YSw96N/XhLgie67ihdkbQr6OSbO4X4KJHxj0aDCyvnlm"),
    "bcrypt of Dovecot": (PASSWORD, "{BLF-CRYPT}$2y$04$Zq9F4aV00YSw96N/XhLgie67ihdkbQr6OSbO4X4KJHxj0aDCyvnlm"),
    "LDAP SHA": (PASSWORD, "{SHA}bhLLK0PmATHHFqlbrY+u2oqP/yQ="),
    "LDAP SSHA": (PASSWORD, "{SSHA}vzteL4B6qt0VQMIWpRLpQMRgKUGYk1KK"),
    "LDAP SSHA256": (PASSWORD, "{SSHA256}q2QM3FPy/DqB0L8VIJ3r3vT/N3sBlI8pdvImXAXH4MpKqTXGGGPMmQ=="),
    "LDAP SSHA512": (PASSWORD, "{SSHA512}fpzNbgOuhMSfFC/fWrhok+7sgpJky6zVjwSstWwEZgpF3WvCKNF4PVbIxOXIXwfX0Hw9JN6fOJ5oNFKx5RpbjXovJWTM+V8L"),
    "LDAP MD5": (PASSWORD, "{MD5}1xZmu2SgrtYLCyKwskNJdw=="),
    "LDAP SMD5": (PASSWORD, "{SMD5}klNlW1614nJ9RyC3E2rM/VqLEaI="),
    "ASP.NET's tests, version 2": ("my password", "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg=="),
    "ASP.NET's tests, version 3": ("my password", "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw=="),
    "Firebase's own": ("user1password", f"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={_SIGNER}$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="),
    "Lucia 2": (PASSWORD, f"s2:k3j9x0q2m8v7b5n1:{_LUCIA_2}"),
    "Lucia 1": (PASSWORD, f"k3j9x0q2m8v7b5n1:{_LUCIA_1}"),
}  # fmt: skip


def verifies(password: str, stored: str) -> bool:
    check = check_of(stored)
    return check is not None and check(password)


@pytest.mark.parametrize(("password", "stored"), MADE.values(), ids=MADE.keys())
def test_a_hash_of_another_system_verifies_and_has_a_decoy(password: str, stored: str) -> None:
    assert verifies(password, stored)
    for other in (f"{password}x", "", "\ud800", "x" * 1024):
        assert not verifies(other, stored)

    decoy = decoy_of(stored)
    assert decoy is not None
    assert len(decoy) == len(stored)
    assert check_of(decoy) is not None
    assert not verifies(password, decoy)


@pytest.mark.parametrize("name", [name for name, (_, it) in MADE.items() if it.startswith("{")])
def test_the_name_of_a_scheme_has_no_case(name: str) -> None:
    """RFC 2307 section 5.3 compares it so, and OpenLDAP keeps it as it was typed."""
    password, stored = MADE[name]
    scheme, brace, rest = stored.partition("}")
    for written in (scheme.lower(), scheme.title()):
        assert verifies(password, written + brace + rest)
    assert "S" not in scheme or not check_of(scheme.replace("S", "\u017f") + brace + rest)


def test_wordpress_trims_what_is_typed() -> None:
    assert verifies(f" {PASSWORD}\n", MADE["WordPress 6.8"][1])


def test_lucia_hashes_the_nfkc_form() -> None:
    assert verifies("Correct ho\u0308rse \uff14\uff12", MADE["Lucia 2"][1])


UNFIT = [
    "pbkdf2:sha256:99999999$salt$" + "ab" * 32,
    "pbkdf2:md5:1000$salt$" + "ab" * 16,
    "pbkdf2:sha256$salt$" + "ab" * 32,  # the rounds are not said
    "pbkdf2:sha256:1000$salt$" + "ab" * 15,
    "pbkdf2:sha256:1000$salt$" + "ab" * 16 + "a",
    "scrypt:1048576:8:1$salt$" + "ab" * 32,
    "scrypt:1000:8:1$salt$" + "ab" * 32,
    "$P$K" + "a" * 30,  # 2^22 rounds
    "$P$5" + "a" * 29,
    "$wp$2y$17$2W/rheSypqGQiGhVWHYLYuJmHjNy7H86w1wt1Zqa5ZwSnJ7VmEYte",
    "$6$rounds=9999999$salt$" + "a" * 86,
    "$6$rounds=999$salt$" + "a" * 86,
    "$6$seventeen_letters$" + "a" * 86,
    "$6$salt$" + "." * 85,
    "$6$salt$" + "." * 43,  # the digest of $5$
    "$5$salt$" + "." * 86,
    "{SSHA}bhLLK0PmATHHFqlbrY+u2oqP/yQ=",  # no salt
    "{SHA}vzteL4B6qt0VQMIWpRLpQMRgKUGYk1KK",
    "{SHA}bhLL",
    "{CLEARTEXT}password",
    "{CRYPT}abcdefghijklm",
    "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggE=",
    "AQAAAAMAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
    "AQAAAAF/////AAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
    "AQAAAAEAACcQf///8AABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
    f"$fbscrypt$v=1,n=30,r=8,p=1,ss=Bw==,sk={_SIGNER}$42xEC+ixf3L2lw==${_SIGNER}",
    f"$fbscrypt$v=1,n=99,r=8,p=1,sk={_SIGNER}$42xEC+ixf3L2lw==${_SIGNER}",
    f"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={_SIGNER}$42xEC+ixf3L2lw==$lSrfVw==",
    "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=$42xEC+ixf3L2lw==$",
    f"s1:k3j9x0q2m8v7b5n1:{_LUCIA_2}",
    f"s2:k3j9x0q2m8v7b5n1:{_LUCIA_2}00",
]


def test_one_that_is_malformed_or_far_too_dear_is_never_computed() -> None:
    assert [stored for stored in UNFIT if check_of(stored)] == []


def test_what_would_take_longer_than_eight_of_ours_is_refused() -> None:
    """About a second of Python's rounds, against a quarter of bcrypt's."""
    dear = MADE["sha512-crypt"][1].replace("rounds=1000", "rounds=900000")

    assert check_of(dear) is not None
    assert check_of(dear, most_seconds=1.0) is None


@pytest.mark.parametrize(("kind", "size", "usual"), [("5", 43, 535_000), ("6", 86, 656_000)])
def test_rounds_are_bounded_for_the_longest_password(kind: str, size: int, usual: int) -> None:
    """A round hashes the password: of 256 bytes it takes nearly twice what it takes of twelve."""
    eight_of_ours = 8 * families.seconds_of_bcrypt(12)

    assert check_of(f"${kind}$rounds={usual}$salt${'.' * size}", eight_of_ours)  # passlib's own
    assert not check_of(f"${kind}$rounds=1000000$salt${'.' * size}", eight_of_ours)


@pytest.mark.parametrize("stored", [stored for _, stored in MADE.values()], ids=MADE.keys())
def test_a_changed_character_raises_nothing(stored: str) -> None:
    for place in range(0, len(stored), 7):
        check_of(stored[:place] + "!" + stored[place + 1 :])
        check_of(stored[:place] + stored[place + 1 :])


def last_characters(stored: str) -> int:
    """Count the letters and digits that may end a digest."""
    end = len(stored.rstrip("="))
    others = (stored[: end - 1] + last + stored[end:] for last in ascii_letters + digits)
    return sum(check_of(other) is not None for other in others)


def test_a_digest_has_one_spelling() -> None:
    """A hash that no library reads would be checked at once, but its decoy in full time."""
    lenient = {}
    for stored in [*EVERY_FORM, *(stored for _, stored in MADE.values())]:
        parts = parts_of(stored)
        assert parts is not None
        block = stored if stored.startswith("A") else parts["digest"]  # ASP.NET's is one
        # The last of its characters has two bits to spare, or four.
        if len(block.rstrip("=")) % 4 and last_characters(stored) > 16:
            lenient[stored] = last_characters(stored)

    assert lenient == {}


@pytest.mark.parametrize("sizes", ["m=064,t=1,p=1", "m=64,t=01,p=1", "m=64,t=1,p=01"])
def test_argon2_reads_no_number_with_a_nought_before_it(sizes: str) -> None:
    stored = f"$argon2id$v=19${sizes}${'A' * 22}${'A' * 43}"

    assert check_of(stored) is None
    assert check_of(stored.replace("=0", "=")) is not None


async def test_an_imported_account_signs_in_and_gets_a_hash_of_ours(world: World) -> None:
    await world.make_user()
    for name, (password, stored) in MADE.items():
        await world.db.execute("UPDATE users SET password_hash = $1", stored)

        wrong = await world.attempt_login(password=f"{password}x")
        right = await world.attempt_login(password=password)

        assert (wrong.status_code, right.status_code) == (401, 200), name
        kept = await world.db.fetchval("SELECT password_hash FROM users")
        assert re.match(r"\$bcrypt-sha256\$v=2,t=2b,r=4\$", kept), name
        assert (await world.attempt_login(password=password)).status_code == 200, name
