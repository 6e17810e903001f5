"""The languages of Keyfob's mails, and the choice of one for a user."""

import re
from enum import StrEnum

_RANGE = re.compile(
    r"\s*([a-zA-Z]{1,8})(?:-[a-zA-Z0-9]{1,8}){0,8}\s*"
    r"(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?"
)
_MOST_RANGES = 20


class Locale(StrEnum):
    """A language that Keyfob writes in."""

    ENGLISH = "en"
    RUSSIAN = "ru"


def known_locale(tag: str) -> Locale:
    """Return the language of a tag such as "ru-RU" (RFC 5646); English if Keyfob lacks it."""
    language = tag.replace("_", "-").partition("-")[0].lower()
    return Locale(language) if language in {*Locale} else Locale.ENGLISH


def preferred_locale(accept_language: str) -> Locale:
    """Return the preferred language of an Accept-Language field (RFC 9110 section 12.5.4).

    Among equally preferred ones the first wins; English if Keyfob has none of them. Parts that
    cannot be parsed are ignored.
    """
    best, weight = Locale.ENGLISH, 0.0
    known = {locale.value: locale for locale in Locale}
    for part in accept_language.split(",")[:_MOST_RANGES]:
        found = _RANGE.fullmatch(part)
        locale = known.get(found[1].lower()) if found else None
        if found and locale and (liked := float(found[2] or 1)) > weight:
            best, weight = locale, liked
    return best
