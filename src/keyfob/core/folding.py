"""The form of a text that search compares: spellings that people take for one are one.

It is ASCII. Threat to finding anything: what a database takes for a letter, and how it lowers one,
depends on its locale, and in one of plain C nothing beyond ASCII is a letter to a trigram index.

What is folded is stored: a change here needs a migration that folds every row anew (as 0017 does).
"""

import unicodedata

# Accents, dots and breves that stand alone once a letter is taken apart; the dotless i is an i.
_LEFT_OUT = {**dict.fromkeys(range(0x300, 0x370)), 0x131: "i"}
# A letter beyond ASCII is one of the first, then four of the others: so no letter begins within
# another, and none is taken for what was ASCII, which is in lower case.
_FIRST, _OTHERS = "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ"
_DIGITS = 4
# Neighbours in an alphabet get codes that have little in common, so that few names share trigrams.
_SPREAD, _CODES = 392_699, len(_FIRST) * len(_OTHERS) ** _DIGITS


def fold(text: str) -> str:
    """Return the text without case, width and accents; a part of it folds to a part of that.

    By Unicode's compatibility forms (UAX 15) and full case folding (section 3.13 of the standard).
    """
    apart = unicodedata.normalize("NFKD", text).casefold()
    bare = unicodedata.normalize("NFKD", apart).translate(_LEFT_OUT)
    whole = unicodedata.normalize("NFC", bare)  # syllables of Korean, which were taken apart
    return whole if whole.isascii() else "".join(map(_in_ascii, whole))


def fold_email(typed: str, normal: str) -> str:
    """Return what search finds an address by, as typed or in its normal form."""
    folded = fold(typed)
    return folded if folded == normal else f"{folded} {normal}"


def fold_name(name: str | None) -> str | None:
    """Return what search finds a name by."""
    return fold(name) if name is not None else None


def _in_ascii(character: str) -> str:
    if character.isascii():
        return character
    number, code = ord(character) * _SPREAD % _CODES, ""
    for _ in range(_DIGITS):
        number, digit = divmod(number, len(_OTHERS))
        code += _OTHERS[digit]
    return _FIRST[number] + code
