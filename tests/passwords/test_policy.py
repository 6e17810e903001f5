import os
import subprocess
import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from keyfob.passwords.errors import WeakPassword
from keyfob.passwords.families import normalised
from keyfob.passwords.policy import PasswordPolicy

EMAIL = "ada.lovelace@analytical.example"
NAME = "Augusta King"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "too_short"),
        ("q7#Kv2x", "too_short"),
        ("e\u0301" * 7, "too_short"),  # seven characters once composed
        ("q7#Kv2x!" * 128 + "z", "too_long"),
        ("q7#Kv2x!" * 1000, "too_long"),
        ("password", "common"),
        ("PassWord", "common"),
        ("\uff50\uff41\uff53\uff53word", "common"),  # full width
        ("password9!", "common"),
        ("dragon42", "common"),
        ("12345678", "common"),
        ("qwertyuiop", "common"),
        ("aaaaaaaaaaaaaaaa", "common"),
        ("1212121212121212", "common"),
        ("keyfob123", "common"),
        ("KeyFobKeyFob", "common"),
        ("ada.lovelace@analytical.example", "like_email"),
        ("ADA.LOVELACE", "like_email"),
        ("adalovelace", "like_email"),
        ("lovelace1815", "like_email"),
        ("ecalevol!7", "like_email"),
        ("lovelace-lovelace", "like_email"),
        ("Analytical", "like_email"),
        ("analytical.example", "like_email"),
        ("tical.exam", "like_email"),
        ("AugustaKing1", "like_email"),
    ],
)
async def test_a_weak_password_is_refused_with_the_reason(password, reason):
    with pytest.raises(WeakPassword) as refusal:
        await PasswordPolicy().ensure_acceptable(password, EMAIL, NAME)

    assert refusal.value.status == 422
    assert refusal.value.code == "weak_password"
    assert refusal.value.extra == {"reason": reason}
    assert refusal.value.detail


@pytest.mark.parametrize(
    "password",
    [
        "q7#Kv2x!",
        "éèêëēėęě",
        "correct horse battery staple",
        "lovelace wrote the first programme",  # long enough without the name
        "keyfob opens the garden gate",
        "!?!?#(!)?",
        "the king of spades",
        "line\nbreak within",
        "q7#Kv2x!" * 128,
        "e\u0301" * 9 + "q7#Kv2x!" * 126,  # 1,026 as typed, 1,017 once composed
    ],
)
async def test_any_other_password_is_accepted_without_rules_of_composition(password):
    await PasswordPolicy().ensure_acceptable(password, EMAIL, NAME)


@pytest.mark.parametrize("email", ["", "a@b.c", "@", "no-at-sign"])
async def test_an_address_with_nothing_to_compare_refuses_nothing(email):
    await PasswordPolicy().ensure_acceptable("q7#Kv2x!", email)


async def test_the_service_asks_the_policy(passwords):
    with pytest.raises(WeakPassword):
        await passwords.ensure_acceptable(SecretStr("password1"), EMAIL)


def test_the_rest_of_zxcvbn_stays_out_of_memory():
    code = (
        "import sys, asyncio\n"
        "from keyfob.passwords.service import PasswordPolicy\n"
        "asyncio.run(PasswordPolicy().ensure_acceptable('q7#Kv2x!', 'a@b.c'))\n"
        "print('zxcvbn' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "False"


# Marks of many classes, one that hides two of them, letters that compose and that decompose.
_MARKS = st.text(
    st.sampled_from(
        "\u0300\u0301\u0308\u0315\u0316\u0327\u0334\u0344\u0345\u05b0\u0f71\u0f73\u0f74\u0f81\u3099"
    )
    | st.sampled_from("aeio\u00e9\u1e69\u1100\u1161\uac00\u304b\ufb1d\u212b\U0001d15e")
    | st.characters(exclude_categories=["Cs"]),
    max_size=60,
)


@given(_MARKS)
def test_a_password_is_normalised_as_unicode_says(typed: str) -> None:
    assert normalised(typed) == unicodedata.normalize("NFC", typed)
    assert normalised(typed, "NFKC") == unicodedata.normalize("NFKC", typed)


async def test_what_is_typed_is_compared_in_time_that_is_bounded() -> None:
    """Of one character become eighteen; each word of the name was looked for in all of them."""
    began = time.thread_time()

    with pytest.raises(WeakPassword):
        await PasswordPolicy().ensure_acceptable("\ufdfa" * 1024, EMAIL, name="\ufdfa" * 20_000)

    assert time.thread_time() - began < 5  # it took over a minute
