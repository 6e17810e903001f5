"""The languages that Keyfob writes in, and which of them somebody reads."""

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
    """Return the language of a tag such as "ru-RU" (RFC 5646), or English if it is none of ours."""
    language = tag.replace("_", "-").partition("-")[0].lower()
    return Locale(language) if language in {*Locale} else Locale.ENGLISH


def preferred_locale(accept_language: str) -> Locale:
    """Return the language that an Accept-Language field (RFC 9110 section 12.5.4) likes best.

    English where it names none of ours; of two liked alike, the one that is named first. What
    cannot be read is passed over.
    """
    best, weight = Locale.ENGLISH, 0.0
    known = {locale.value: locale for locale in Locale}
    for part in accept_language.split(",")[:_MOST_RANGES]:
        found = _RANGE.fullmatch(part)
        locale = known.get(found[1].lower()) if found else None
        if found and locale and (liked := float(found[2] or 1)) > weight:
            best, weight = locale, liked
    return best
