"""Folding: the form of a text that search compares, in which similar spellings are equal.

The form is ASCII. Otherwise results would depend on the database: which characters are letters, and
how they are lowered, depends on its locale; in the locale C a trigram index sees no letters beyond
ASCII.

Folded texts are stored: a change here needs a migration that folds every row again (as 0017 does).
"""

import unicodedata

# Accents, dots and breves, which are separate once a letter is decomposed; the dotless i is an i.
_LEFT_OUT = {**dict.fromkeys(range(0x300, 0x370)), 0x131: "i"}
# A letter beyond ASCII becomes one character of the first set and four of the other: so no letter
# begins within another, and none equals an ASCII letter, which is in lower case.
_FIRST, _OTHERS = "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ"
_DIGITS = 4
# Neighbours in an alphabet get very different codes, so that few names share trigrams.
_SPREAD, _CODES = 392_699, len(_FIRST) * len(_OTHERS) ** _DIGITS


def fold(text: str) -> str:
    """Return the text without case, width and accents; parts of a text fold to parts of the result.

    Uses Unicode's compatibility forms (UAX 15) and full case folding (Unicode section 3.13).
    """
    apart = unicodedata.normalize("NFKD", text).casefold()
    bare = unicodedata.normalize("NFKD", apart).translate(_LEFT_OUT)
    whole = unicodedata.normalize("NFC", bare)  # compose again, for the syllables of Korean
    return whole if whole.isascii() else "".join(map(_in_ascii, whole))


def fold_email(typed: str, normal: str) -> str:
    """Return the text by which search finds an address, as typed or in its normal form."""
    folded = fold(typed)
    return folded if folded == normal else f"{folded} {normal}"


def fold_name(name: str | None) -> str | None:
    """Return the text by which search finds a name."""
    return fold(name) if name is not None else None


def _in_ascii(character: str) -> str:
    if character.isascii():
        return character
    number, code = ord(character) * _SPREAD % _CODES, ""
    for _ in range(_DIGITS):
        number, digit = divmod(number, len(_OTHERS))
        code += _OTHERS[digit]
    return _FIRST[number] + code
