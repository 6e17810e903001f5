"""The language of a newcomer, from Accept-Language (RFC 9110 section 12.5.4)."""

import pytest

from keyfob.core.locales import known_locale, preferred_locale


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("", "en"),
        ("ru", "ru"),
        ("RU-ru", "ru"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"),
        ("de, ru;q=0.5", "ru"),
        ("ru;q=0.4, en;q=0.6", "en"),
        ("ru;q=0.4,en-GB ; q=1.0", "en"),
        ("ru, en", "ru"),
        ("en, ru", "en"),
        ("ru;q=0", "en"),
        ("de-AT, *", "en"),
        ("russian", "en"),
        ("ru;q=2", "en"),
        ("ru;q=nan", "en"),
        ("ru;level=1", "en"),
        (";;,,q=1,ru", "ru"),
        ("ru" + "-x" * 100, "en"),
        ("x," * 1000 + "ru", "en"),
        ("\u0440\u0443", "en"),
    ],
)
def test_the_language_liked_best_of_those_we_write(header: str, locale: str) -> None:
    assert preferred_locale(header) == locale


@pytest.mark.parametrize(
    ("tag", "locale"),
    [("en", "en"), ("ru", "ru"), ("ru-RU", "ru"), ("RU_ru", "ru"), ("de", "en"), ("", "en"),
     ("../../etc", "en")],
)  # fmt: skip
def test_a_language_that_is_none_of_ours_is_english(tag: str, locale: str) -> None:
    assert known_locale(tag) == locale
