"""The name, the logo and the colour of a deployment: nothing else of the pages is for choosing."""

import re
import unicodedata
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, Field

LONGEST_NAME = 40

# WCAG 2.2, 1.4.3: of text, and of links in it.
_CONTRAST = 4.5
_DARK_CONTRAST = 6.0  # so that a tint of it still shows on a dark ground
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")

# The grounds of the stylesheet on which an accent is hardest to read, and the opposite of each.
_LIGHT, _DARK = "#f0f1f3", "#1d2129"
_WHITE, _BLACK = "#ffffff", "#0e1014"


class Shades(NamedTuple):
    """The colours of one scheme: the accent, itself when pointed at, text on it, a ground of it."""

    accent: str
    hover: str
    on: str
    soft: str


class Palette(NamedTuple):
    """The colours of an accent."""

    light: Shades
    dark: Shades

    @property
    def stylesheet(self) -> str:
        """The rules that replace the colours of `keyfob.css`."""
        names = ("--accent", "--accent-hover", "--on-accent", "--accent-soft")
        pairs = zip(names, self.light, self.dark, strict=True)
        rules = "".join(f"{name}:light-dark({light},{dark});" for name, light, dark in pairs)
        return f":root{{{rules}}}\n"


OURS = Palette(
    Shades("#3b4fd8", "#2f40b8", "#ffffff", "#eceffd"),
    Shades("#93a4ff", "#aab8ff", "#0d1233", "#1f2647"),
)


def palette_of(accent: str) -> Palette:
    """Return the colours of an accent such as "#3b4fd8"; each pair has a contrast of 4.5:1.

    The dark scheme has a lighter one, since no colour can be read on both grounds.

    Raises:
        ValueError: the accent is too light for text on a light ground.
    """
    accent = accent.lower()
    if contrast(accent, _LIGHT) < _CONTRAST:
        darker = _first_readable(accent, "#000000", _LIGHT, _CONTRAST)
        raise ValueError(
            f"has a contrast of {contrast(accent, _LIGHT):.1f}:1 with a light ground, and links "
            f"need 4.5:1 (WCAG 2.2, 1.4.3): take a darker one, such as {darker}"
        )
    lighter = _first_readable(accent, "#ffffff", _DARK, _DARK_CONTRAST)
    return Palette(
        Shades(accent, mixed(accent, "#000000", 0.2), _WHITE, _soft(accent, "#ffffff")),
        Shades(lighter, mixed(lighter, "#ffffff", 0.2), _BLACK, _soft(lighter, "#16191f")),
    )


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2.2, "contrast ratio"): 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def mixed(one: str, other: str, share: float) -> str:
    """Return a colour with a share of another one in it."""
    parts = zip(_parts(one), _parts(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in parts)


def _soft(accent: str, ground: str) -> str:
    """Return the strongest tint of a ground on which the accent can be read."""
    tints = (mixed(ground, accent, share / 100) for share in (14, 10, 7, 4, 2))
    return next((tint for tint in tints if contrast(accent, tint) >= _CONTRAST), ground)


def _first_readable(colour: str, towards: str, ground: str, least: float) -> str:
    steps = (mixed(colour, towards, step / 50) for step in range(51))
    return next(step for step in steps if contrast(step, ground) >= least)


def _parts(colour: str) -> list[int]:
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]


def _luminance(colour: str) -> float:
    parts = [part / 255 for part in _parts(colour)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _name(value: str | None) -> str | None:
    if value is None:
        return None
    name = " ".join(value.split())
    if not name or len(name) > LONGEST_NAME or any(unicodedata.category(s)[0] == "C" for s in name):
        raise ValueError(f"should be a name of at most {LONGEST_NAME} visible characters")
    return name


def _accent(value: str | None) -> str | None:
    if value is None:
        return None
    if not _COLOUR.fullmatch(value):
        raise ValueError('should be a colour such as "#3b4fd8"')
    palette_of(value)
    return value.lower()


class BrandSettings(BaseModel):
    """The looks of pages and mails."""

    brand_name: Annotated[str | None, AfterValidator(_name)] = Field(
        None,
        description="Name of the service on pages and in mails; absent: as in KEYFOB_MAIL_FROM",
    )
    brand_logo: Path | None = Field(
        None, description="SVG file with the logo for pages; absent: Keyfob's"
    )
    brand_accent: Annotated[str | None, AfterValidator(_accent)] = Field(
        None, description="Colour of links and buttons, #rrggbb; absent: Keyfob's"
    )
