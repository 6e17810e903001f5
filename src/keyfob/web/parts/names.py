"""Names on pages: whoever typed them, they stay names."""

import unicodedata

from markupsafe import Markup, escape

# Joiners, which several scripts need within words.
_ALLOWED = "\u200c\u200d"
_HIDING = {"Cc", "Cf", "Zl", "Zp"}  # UAX #44: controls, formats, ends of lines and paragraphs


def name(text: object) -> Markup:
    """Return a name for HTML, isolated from the text around it.

    Threat: with a mark that turns the direction, "gnp.exe" is shown as "exe.png", and the rest of a
    row with it. Such marks are shown by their numbers.
    """
    plain = str(text)
    # Nearly every name; sign by sign, a page of a log would take 20 ms more.
    shown = plain if plain.isprintable() else Markup().join(map(_shown, plain))
    return Markup(f"<bdi>{escape(shown)}</bdi>")  # noqa: S704 - escaped


def plain_name(text: object) -> str:
    """Return a name for an attribute, such as what is told on hover: marks by their numbers."""
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(f"[U+{ord(sign):04X}]" if _hides(sign) else sign for sign in plain)


def _shown(sign: str) -> Markup:
    if not _hides(sign):
        return escape(sign)
    return Markup('<span class="mark">U+{:04X}</span>').format(ord(sign))


def _hides(sign: str) -> bool:
    return unicodedata.category(sign) in _HIDING and sign not in _ALLOWED
