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


def _shown(sign: str) -> Markup:
    hides = unicodedata.category(sign) in _HIDING and sign not in _ALLOWED
    return Markup('<span class="sign">U+{:04X}</span>').format(ord(sign)) if hides else escape(sign)
