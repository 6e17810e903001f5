"""The vectors were made by Django 5.2, passlib 1.7 and Node's crypto, not by this code."""

# A hash is one line.
# ruff: noqa: E501

import re
import time

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.passwords.forms import check_of

PASSWORD = "Correct hörse 42"

MADE_ELSEWHERE = {
    "django pbkdf2_sha256": "pbkdf2_sha256$1000$QOKwwdogwpr3RJUdnLnFUB$UUgXaPcR/NCsyCDybHJDM2Q0nfUHgKr2N8rlyBZ67pY=",
    "django pbkdf2_sha1": "pbkdf2_sha1$1000$ZmH3kMAFzHhqoSC6Z0IcB3$1+u3XtsLlr00Yw6hQ1K5xL9FvD4=",
    "django argon2": "argon2$argon2id$v=19$m=64,t=1,p=1$V3FGdk5RRFlDdFVBQ0pZMmtyVGw4Zg$n5oEpUlhNP1qaCKVqfnVk+H33c0z17PDgyhGoc6rUSc",
    "django bcrypt": "bcrypt$$2b$04$2rlS21o8jAHTXSxteMkYb.hBso8UT8VIqX8BbWGKig0RQ66Dc4jpW",
    "django bcrypt_sha256": "bcrypt_sha256$$2b$04$kzuSPzntXl8eyHxpjAvOU.8y8ZneLSM4Vu851iK6T0jHkkLxUJhZW",
    "django scrypt": "scrypt$256$s9U5uX9Q74QUSlXsjs5hpA$8$5$3dEVAxHXmCNud7RdMURONBTPT256Ddu6Aob1w8lUtguoQ8LWq7dhDg42QK8vjxaBqHmyBY4+Bt+fpcCTab2X4g==",
    "passlib pbkdf2-sha256": "$pbkdf2-sha256$1000$5LyXcs75X0tprfUeI4Twfg$W5Fe3dLuXcA/KewUObivBMQ07GgXgr3WqbXYhzHPyBI",
    "passlib pbkdf2-sha512": "$pbkdf2-sha512$1000$39sbg9Daey.FEML4XytljA$6mUm7ixoSzUvF.fMDL3ufxypy/ccM8wxVv5QQSxJbvUfHRJPuMy6ieqGR5tV5x6YwMoQ05J4eG51H/OnKNvddw",
    "passlib pbkdf2-sha1": "$pbkdf2$1000$9J5zrjVGSMkZA6D0/n.v1Q$UK5PMuHVQbbBaMEHDsTG0A0eIIQ",
    "passlib scrypt": "$scrypt$ln=8,r=8,p=1$TOmd01rLeW/tfY+RMobQeg$wMw8bqgC6qaOHA6aovZ1cVPPJdu7pCL3ibx9hfzvoQA",
    "passlib bcrypt-sha256 v2": "$bcrypt-sha256$v=2,t=2b,r=4$wY5basABaTVV.mbM4Cj3M.$2m83lLg4Op80iQnxGreGMROHdecSzz6",
    "passlib bcrypt-sha256 v1": "$bcrypt-sha256$2b,4$.PdgQlgq.m.zYFfE61ZQiO$8/aIt57dr1aBCCyisEi0Ul3cUd853Wi",
    "passlib argon2i": "$argon2i$v=19$m=64,t=1,p=4$9P6f03qPcU4JIaS0NqYUog$GNnDBQ7SBSoPVXEAq3NR0EY9N6zzXMA/SR8EWRcCasU",
    "passlib argon2d": "$argon2d$v=19$m=64,t=1,p=4$xtgbo7SWkrK2FuI8B0DIOQ$byFDIPYJnT1JlxAd5srQ5UzpKBk9mAHxYOEwlwC0adQ",
    "passlib argon2id": "$argon2id$v=19$m=64,t=1,p=2$cs45Z8yZEwIAAMA4B+Bcqw$JCfqbWzD+FmLaBQSAQPUVC8EwZ7hCe71MKJ82GYnpOs",
    "bcrypt 2a": "$2a$04$76eASgok4HxpLlTmfNeVluyC3PAIyzPHGLX1sRTtBYCznI2lQOM/2",
    "bcrypt 2b": "$2b$04$zgw4haIROta9k9D0Hqzqg.Bf2pbVJKRYmeNTBsVpOlm/r4oNsrQca",
    "bcrypt 2y": "$2y$04$Zq9F4aV00YSw96N/XhLgie67ihdkbQr6OSbO4X4KJHxj0aDCyvnlm",
    "PHC pbkdf2-sha256": "$pbkdf2-sha256$i=1000,l=32$xCe2laVACzch2NPLsGR7tg$mbp2dbO0ViWWMsjRddBum2shTv7E7I7lxhvr42YgX9Q",
    "PHC pbkdf2-sha512": "$pbkdf2-sha512$i=1000$xCe2laVACzch2NPLsGR7tg$1IXy6nPekO/d4vhAsQnDXrdxLLgLQTecnNRcf9//zghXSI5L4TZI+tE5p2N9EMXu+UwvfapMxx0PugyYnRK7Jg",
}
BETTER_AUTH = "a49edea4fcf9d8ca94b47bc85085e132:252cdc5e61408b1fa13b2eb9ee8901e1635e02e84bfa495c8d98241923e79ea4505a98b5aac54959619ec42808e2f9096360ef19c29e689e0eaeabf024a76bf8"
EVERY_FORM = [*MADE_ELSEWHERE.values(), BETTER_AUTH]


def verifies(password: str, stored: str) -> bool:
    check = check_of(stored)
    assert check is not None
    return check(password)


@pytest.mark.parametrize("stored", MADE_ELSEWHERE.values(), ids=MADE_ELSEWHERE.keys())
def test_a_hash_made_elsewhere_verifies(stored):
    assert check_of(stored)
    assert verifies(PASSWORD, stored)
    assert not verifies(PASSWORD + " ", stored)
    assert not verifies("", stored)


def test_better_auth_hashes_the_nfkc_form():
    assert verifies("Correct hörse 42 ﬁ①", BETTER_AUTH)
    assert verifies("Correct hörse 42 fi1", BETTER_AUTH)
    assert not verifies("Correct hörse 42 fi2", BETTER_AUTH)


def test_marks_of_a_typed_password_are_put_in_order_in_linear_time():
    """Python's own normalisation took ten seconds for this, and held the interpreter meanwhile."""
    began = time.thread_time()

    assert not verifies("\u0f75" * 60_000, BETTER_AUTH)

    assert time.thread_time() - began < 5


@pytest.mark.parametrize(
    ("password", "stored"),
    [
        (
            "y" * 72 + "tail of the origin",
            "$2b$04$fQ/ugMk0i4t/iDh863rbLeelZXjwxqWas6lxySfyZHk02Zq7W7w9q",
        ),
        ("y" * 71 + "é and on", "$2b$04$ZWiIoqgqqefe8OwdQ22dhOyZgemYTJf7LeTM9tZIpuB.0.O2EFQnu"),
    ],
    ids=["beyond 72 bytes", "cut inside a character"],
)
def test_plain_bcrypt_cuts_as_its_origin_did(password, stored):
    assert verifies(password, stored)


def test_a_lone_surrogate_matches_nothing_and_raises_nothing():
    for stored in EVERY_FORM:
        assert not verifies("\ud800", stored)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "!",
        "plain text",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "$2x$04$m4RgxgVxmEjuY7HoMP6SOuaFltZ/Lvmx4lHyqrKhSUZuHPxhDRceu",
        "$2b$03$m4RgxgVxmEjuY7HoMP6SOuaFltZ/Lvmx4lHyqrKhSUZuHPxhDRceu",
        "$2b$31$m4RgxgVxmEjuY7HoMP6SOuaFltZ/Lvmx4lHyqrKhSUZuHPxhDRceu",
        "$2b$04$m4RgxgVxmEjuY7HoMP6SO/aFltZ/Lvmx4lHyqrKhSUZuHPxhDRceu",
        "$2b$04$m4RgxgVxmEjuY7HoMP6SOuaFltZ/Lvmx4lHyqrKhSUZuHPxhDRce",
        "$2b$04$m4RgxgVxmEjuY7HoMP6SOuaFltZ/Lvmx4lHyqrKhSUZuHPxhDRceu\n",
        "$bcrypt-sha256$v=2,t=2b,r=30$XRVp0kPkyEAX6OYDBbktb.$LUo.kmLJyC5PeP2dQLiHuAyURzFxi1C",
        "$bcrypt-sha256$v=3,t=2b,r=4$XRVp0kPkyEAX6OYDBbktb.$LUo.kmLJyC5PeP2dQLiHuAyURzFxi1C",
        "$argon2id$v=19$m=4194304,t=1,p=1$1zoHYGzNWev9P8cYAwAAwA$u7tple5+EaaPYaU6yoQWZvAyhpU4y2j6ejYTkENbjps",
        "$argon2id$v=19$m=65536,t=9999999,p=1$1zoHYGzNWev9P8cYAwAAwA$u7tple5+EaaPYaU6yoQWZvAyhpU4y2j6ejYTkENbjps",
        "$argon2id$v=19$m=65536,t=1,p=99$1zoHYGzNWev9P8cYAwAAwA$u7tple5+EaaPYaU6yoQWZvAyhpU4y2j6ejYTkENbjps",
        "$argon2id$v=19$m=64,t=0,p=1$1zoHYGzNWev9P8cYAwAAwA$u7tple5+EaaPYaU6yoQWZvAyhpU4y2j6ejYTkENbjps",
        "$argon2id$v=19$m=64,t=1,p=1$1zoHYGzNWev9P8cYAwAAwA$u7tple4",
        "$argon2id$v=19$m=64,t=1,p=1$1zo$u7tple5+EaaPYaU6yoQWZvAyhpU4y2j6ejYTkENbjps",
        "$argon2id$v=19$m=64,t=1,p=1$1zoHYGzNWev9P8cYAwAAw$u7tple5+EaaPYaU6yoQWZvAyhpU4y2j6ejYTkENbjps",
        "pbkdf2_sha256$99999999$salt$WioRMrDmDd7DRwJMH7hrKUMIGseOltQqTkKYdnUF7Kc=",
        "pbkdf2_sha256$0$salt$WioRMrDmDd7DRwJMH7hrKUMIGseOltQqTkKYdnUF7Kc=",
        "pbkdf2_sha256$1000$salt$Wio=",
        "pbkdf2_sha256$1000$salt$WioRM",
        "pbkdf2_md5$1000$salt$WioRMrDmDd7DRwJMH7hrKUMIGseOltQqTkKYdnUF7Kc=",
        "$pbkdf2-sha256$i=1000,l=64$xCe2laVACzch2NPLsGR7tg$mbp2dbO0ViWWMsjRddBum2shTv7E7I7lxhvr42YgX9Q",
        "$scrypt$ln=30,r=8,p=1$ltJ6z1lLSemdUwphzHkv5Q$7YLtJumtfzPH/kesX7Mz2Le81o/YqZ6LjZhWpuTsWWs",
        "$scrypt$ln=20,r=8,p=1$ltJ6z1lLSemdUwphzHkv5Q$7YLtJumtfzPH/kesX7Mz2Le81o/YqZ6LjZhWpuTsWWs",
        "$scrypt$ln=16,r=1,p=1$ltJ6z1lLSemdUwphzHkv5Q$7YLtJumtfzPH/kesX7Mz2Le81o/YqZ6LjZhWpuTsWWs",
        "$scrypt$ln=8,r=8,p=9999$ltJ6z1lLSemdUwphzHkv5Q$7YLtJumtfzPH/kesX7Mz2Le81o/YqZ6LjZhWpuTsWWs",
        "$scrypt$ln=8,r=0,p=1$ltJ6z1lLSemdUwphzHkv5Q$7YLtJumtfzPH/kesX7Mz2Le81o/YqZ6LjZhWpuTsWWs",
        "scrypt$1000$salt$8$1$7YLtJumtfzPH/kesX7Mz2Le81o/YqZ6LjZhWpuTsWWs=",
        "pbkdf2_sha256$1$" + "s" * 500 + "$WioRMrDmDd7DRwJMH7hrKUMIGseOltQqTkKYdnUF7Kc=",
        "pbkdf2_sha256$1000$sält$WioRMrDmDd7DRwJMH7hrKUMIGseOltQqTkKYdnUF7Kc=",
    ],
)
def test_a_malformed_or_absurdly_costly_hash_is_never_computed(stored):
    assert not check_of(stored)


def test_the_costliest_scrypt_parameters_within_the_bounds_are_computed():
    # The library's own bound on memory is met exactly: it must not raise there.
    stored = (
        "$scrypt$ln=15,r=1,p=256$ltJ6z1lLSemdUwphzHkv5Q$7YLtJumtfzPH/kesX7Mz2Le81o/YqZ6LjZhWpuTsWWs"
    )

    assert not verifies(PASSWORD, stored)


CHEAP = [stored for stored in EVERY_FORM if stored != BETTER_AUTH]
COSTS = re.compile(r"(?<=[$=,])\d+(?=[$,])")


@given(st.sampled_from(CHEAP), st.data())
def test_one_changed_character_never_raises_and_never_verifies_another_password(stored, data):
    place = data.draw(st.integers(0, len(stored) - 1))
    if any(match.start() <= place < match.end() for match in COSTS.finditer(stored)):
        return  # a higher cost within the bounds is only slow
    changed = stored[:place] + data.draw(st.characters()) + stored[place + 1 :]

    check = check_of(changed)

    assert check is None or not check("another password")


def test_bcrypt_still_refuses_what_is_cut_here():
    # The day it cuts by itself again, `_plain_bcrypt` may stop doing so.
    with pytest.raises(ValueError, match="72"):
        bcrypt.hashpw(b"y" * 73, bcrypt.gensalt(4))
