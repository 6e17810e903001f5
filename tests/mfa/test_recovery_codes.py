"""Recovery codes are too many to guess, and are read however they are typed."""

import re

from keyfob.mfa.recovery_codes import digest, new_codes


def test_a_code_has_120_random_bits_in_letters_that_are_not_mistaken() -> None:
    codes = new_codes()

    assert len(set(codes)) == 10
    for code in codes:  # 24 letters of 5 bits; without i, l, o and u
        assert re.fullmatch(r"(?:[0-9a-hjkmnp-tv-z]{4}-){5}[0-9a-hjkmnp-tv-z]{4}", code)
    # Each place takes every letter: of 2,000 codes none has a place with fewer.
    places = zip(*(code.replace("-", "") for _ in range(200) for code in new_codes()), strict=True)
    assert [len(set(place)) for place in places] == [32] * 24


def test_it_is_read_however_it_is_typed() -> None:
    code = "k3m9-x0ra-7t2e-w8vd-5hqc-21bf"

    for typed in ("K3M9X0RA7T2EW8VD5HQC21BF", "k3m9 xora 7t2e w8vd 5hqc 2lbf", code.upper()):
        assert digest(typed) == digest(code)
    assert digest("k3m9-x0ra-7t2e-w8vd-5hqc-22bf") != digest(code)
