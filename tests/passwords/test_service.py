import unicodedata
from collections.abc import Callable

import pytest
from pydantic import SecretStr
from tests.fixtures.hashes import recorded_hashes
from tests.passwords.conftest import CountingBcrypt

from keyfob.passwords.families import most_seconds
from keyfob.passwords.forms import check_of
from keyfob.passwords.schemes import Argon2id, Bcrypt, Scheme, choose_scheme
from keyfob.passwords.service import PasswordMatch, Passwords
from keyfob.settings import PasswordSettings, WrongSetting

ADA = "ada@example.com"
PASSWORD = SecretStr("Correct hörse 42")
DJANGO = "pbkdf2_sha256$1000$Kan5Nrh2ozuXVNtTqoHvfH$WioRMrDmDd7DRwJMH7hrKUMIGseOltQqTkKYdnUF7Kc="
ONE = ("192.0.2.1", "")
ARGON2 = Argon2id(memory_kib=64, passes=1)


async def test_a_password_matches_its_hash_and_no_other_does(passwords):
    stored = await passwords.hash(PASSWORD, ONE)

    assert stored.startswith("$bcrypt-sha256$v=2,t=2b,r=4$")
    assert await passwords.matches(PASSWORD, stored, ONE) == PasswordMatch(True, new_hash=None)
    assert not await passwords.matches(SecretStr("Correct hörse 43"), stored, ONE)
    assert stored != await passwords.hash(PASSWORD, ONE)


@pytest.mark.parametrize("scheme", [Bcrypt(4), ARGON2])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x" * 72 + "1", "x" * 72 + "2"),
        ("same\0one", "same\0other"),
        ("x" * 1024, "x" * 1023 + "y"),
    ],
    ids=["alike in 72 bytes", "alike up to NUL", "as long as may be"],
)
async def test_passwords_that_begin_alike_differ(passwords, one, other):
    stored = await passwords.hash(SecretStr(one), ONE)

    assert await passwords.matches(SecretStr(one), stored, ONE)
    assert not await passwords.matches(SecretStr(other), stored, ONE)


async def test_nfc_and_nfd_of_a_password_are_one(passwords):
    nfc, nfd = (SecretStr(unicodedata.normalize(form, "pässwörtér")) for form in ("NFC", "NFD"))
    assert nfc != nfd

    for stored in (await passwords.hash(nfc, ONE), await passwords.hash(nfd, ONE)):
        for typed in (nfc, nfd):
            assert await passwords.matches(typed, stored, ONE) == PasswordMatch(True, new_hash=None)


async def test_what_was_hashed_elsewhere_as_typed_matches_and_is_kept_in_nfc(passwords):
    nfc, nfd = (SecretStr(unicodedata.normalize(form, "pässwörtér")) for form in ("NFC", "NFD"))
    made_elsewhere = ARGON2.hash(nfd.get_secret_value())

    match = await passwords.matches(nfd, made_elsewhere, ONE)

    assert match.matches
    assert await passwords.matches(nfc, match.new_hash, ONE) == PasswordMatch(True, new_hash=None)


@pytest.mark.parametrize(
    "stored",
    [DJANGO, Bcrypt(5).hash("Correct hörse 42"), ARGON2.hash("Correct hörse 42")],
    ids=["made elsewhere", "another cost", "another scheme"],
)
async def test_a_hash_of_another_kind_is_made_anew_at_the_first_login(passwords, stored):
    match = await passwords.matches(PASSWORD, stored, ONE)

    assert match.new_hash.startswith("$bcrypt-sha256$v=2,t=2b,r=4$")
    assert await passwords.matches(PASSWORD, match.new_hash, ONE) == PasswordMatch(
        True, new_hash=None
    )


async def test_a_wrong_password_makes_no_new_hash(passwords, scheme):
    assert await passwords.matches(SecretStr("wrong"), DJANGO, ONE) == PasswordMatch(False)
    assert scheme.hashed == []


async def test_with_argon2_configured_bcrypt_verifies_and_is_made_anew(build, passwords):
    by_argon2 = build(ARGON2)

    match = await by_argon2.matches(PASSWORD, await passwords.hash(PASSWORD, ONE), ONE)

    assert match.new_hash.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert await by_argon2.matches(PASSWORD, match.new_hash, ONE) == PasswordMatch(
        True, new_hash=None
    )
    stronger = build(Argon2id(memory_kib=128, passes=1))
    assert (await stronger.matches(PASSWORD, match.new_hash, ONE)).new_hash.startswith(
        "$argon2id$v=19$m=128,"
    )


@pytest.mark.parametrize("stored", [None, "", "!", "$2b$99$nonsense"])
async def test_where_nothing_can_be_checked_as_much_work_is_done(passwords, stored):
    checkable = passwords.checkable(stored, ADA)
    with recorded_hashes() as hashes:
        assert await passwords.matches(PASSWORD, checkable, ONE) == PasswordMatch(False)

    assert checkable != stored
    assert hashes == [4]


@pytest.mark.parametrize(
    "stored",
    [None, DJANGO, Bcrypt(5).hash("Correct hörse 42")],
    ids=["none", "made elsewhere", "another cost"],
)
async def test_to_pretend_is_to_do_the_work_of_a_wrong_password_with_the_right_one(
    passwords, scheme, stored
):
    checkable = passwords.checkable(stored, ADA)
    with recorded_hashes() as wrong:
        await passwords.matches(SecretStr("wrong"), checkable, ONE)
    with recorded_hashes() as pretended:
        assert await passwords.pretend(PASSWORD, checkable, ONE) == PasswordMatch(False)

    assert pretended == wrong
    assert scheme.hashed == []


DEAR = [
    Bcrypt(4).decoy.replace("r=4", "r=15"),
    "$2b$16$CCCCCCCCCCCCCCCCCCCCC.RxQFrDThFSg2wSw6eY0Hab8HDplhAyy",
    DJANGO.replace("$1000$", "$9000000$"),
    Argon2id(memory_kib=256 * 1024, passes=4).decoy,
    "$scrypt$ln=17,r=8,p=7$ltJ6z1lLSemdUwphzHkv5Q$7YLtJumtfzPH/kesX7Mz2Le81o/YqZ6LjZhWpuTsWWs",
]


@pytest.mark.parametrize("stored", DEAR)
async def test_a_hash_far_dearer_than_ours_is_never_computed_and_costs_as_ours(passwords, stored):
    assert check_of(stored)
    checkable = passwords.checkable(stored, ADA)
    with recorded_hashes() as hashes:
        assert await passwords.matches(PASSWORD, checkable, ONE) == PasswordMatch(False)

    assert checkable != stored
    assert hashes == [4]


def test_what_is_far_dearer_goes_by_the_present_cost():
    at_12, at_14 = most_seconds(Bcrypt(12).seconds), most_seconds(Bcrypt(14).seconds)

    assert check_of(Bcrypt(15).decoy, at_12)
    assert not check_of(Bcrypt(16).decoy, at_12)
    assert check_of(Bcrypt(16).decoy, at_14)
    assert check_of(DJANGO.replace("$1000$", "$1500000$"), at_12)  # of today's Django


async def test_an_endless_password_matches_nothing_and_costs_as_much(passwords, scheme):
    stored = Bcrypt(4).hash("x" * 5000)

    with recorded_hashes() as hashes:
        assert not await passwords.matches(SecretStr("x" * 5000), stored, ONE)
    assert hashes == [4]


async def test_a_lone_surrogate_is_no_failure(passwords):
    stored = await passwords.hash(PASSWORD, ONE)

    assert not await passwords.matches(SecretStr("\ud800 surrogate"), stored, ONE)
    assert not await passwords.matches(SecretStr("\ud800 surrogate"), "!", ONE)


def test_a_match_shows_no_hash():
    assert "$bcrypt" not in repr(PasswordMatch(True, new_hash="$bcrypt-sha256$..."))


def test_the_configured_scheme_is_chosen():
    assert choose_scheme(PasswordSettings(bcrypt_cost=13)) == Bcrypt(13)
    assert choose_scheme(
        PasswordSettings(password_scheme="argon2id", argon2_memory_kib=65536, argon2_time_cost=3)
    ) == Argon2id(65536, 3)


@pytest.mark.parametrize(("memory", "passes"), [(1_000_000, 1), (262_144, 17)])
def test_argon2_that_would_cost_more_than_a_stored_hash_may_stops_the_start(memory, passes):
    settings = PasswordSettings(
        password_scheme="argon2id", argon2_memory_kib=memory, argon2_time_cost=passes
    )

    with pytest.raises(WrongSetting, match="KEYFOB_ARGON2_MEMORY_KIB"):
        choose_scheme(settings)


@pytest.mark.parametrize("scheme", [Bcrypt(4), ARGON2])
async def test_of_many_sign_ups_of_an_address_one_hash_tells_whose_it_is(
    build: Callable[[Scheme], Passwords], scheme: Scheme
) -> None:
    passwords = build(scheme)
    stored = [
        await passwords.hash_sign_up(SecretStr(f"stranger {number}"), ADA, ONE)
        for number in range(20)
    ]
    stored.append(await passwords.hash_sign_up(PASSWORD, ADA, ONE))

    for one in stored[-2:]:
        assert check_of(one)
    assert await passwords.find(PASSWORD, stored, ADA, ONE) == (stored[-1], PasswordMatch(True))
    assert await passwords.find(SecretStr("stranger 20"), stored, ADA, ONE) is None
    assert await passwords.find(SecretStr("x" * 5000), stored, ADA, ONE) is None
    assert stored[-1] != await passwords.hash_sign_up(PASSWORD, "bob@example.com", ONE)
    assert await passwords.matches(PASSWORD, stored[-1], ONE)


async def test_of_others_as_many_are_tried_as_make_five_hashes(
    passwords: Passwords, scheme: CountingBcrypt
) -> None:
    elsewhere = [Bcrypt(5).hash(f"password {number}") for number in range(6)]
    stored = [await passwords.hash_sign_up(PASSWORD, ADA, ONE), *elsewhere]
    scheme.hashed.clear()

    found = await passwords.find(SecretStr("password 3"), stored, ADA, ONE)
    too_far = await passwords.find(SecretStr("password 4"), stored, ADA, ONE)
    alone = await passwords.find(SecretStr("password 4"), elsewhere, ADA, ONE)

    assert [one and one[0] for one in (found, too_far, alone)] == [
        elsewhere[3],
        None,
        elsewhere[4],
    ]
    # One for those with the salt of the address, and the better hash of each that was found.
    assert scheme.hashed == ["password 3", "password 3", "password 4", "password 4"]
