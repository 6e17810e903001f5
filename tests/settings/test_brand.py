"""The looks of a deployment: every pair of colours can be read, or the setting is refused."""

import pytest

from keyfob.core.locales import Locale
from keyfob.mail.writing import Writer
from keyfob.settings import WrongSetting, load_settings
from keyfob.settings.brand import OURS, contrast, palette_of

GROUNDS = (("#ffffff", "#f7f7f8", "#f0f1f3"), ("#0e1014", "#16191f", "#1d2129"))


@pytest.mark.parametrize("accent", ["#3b4fd8", "#17683A", "#000000", "#7a00ff", "#006a8a"])
def test_each_pair_of_an_accent_can_be_read(accent: str) -> None:
    palette = palette_of(accent)

    assert palette.light.accent == accent.lower()
    for shades, grounds in zip(palette, GROUNDS, strict=True):
        for ground in (*grounds, shades.on, shades.soft):
            assert contrast(shades.accent, ground) >= 4.5
        assert contrast(shades.hover, shades.on) >= 4.5


def test_our_own_pairs_can_be_read() -> None:
    for shades, grounds in zip(OURS, GROUNDS, strict=True):
        for ground in (*grounds, shades.on, shades.soft):
            assert contrast(shades.accent, ground) >= 4.5


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_the_stylesheet_has_both_schemes() -> None:
    assert palette_of("#006a8a").stylesheet.startswith(":root{--accent:light-dark(#006a8a,#")


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("BRAND_ACCENT", "blue", 'should be a colour such as "#3b4fd8"'),
        ("BRAND_ACCENT", "#ffcc00", r"has a contrast of 1\.3:1 .* such as #856a00"),
        ("BRAND_NAME", "x" * 41, "should be a name of at most 40 visible characters"),
        ("BRAND_NAME", "Acme\u202e", "should be a name of at most 40 visible characters"),
        ("BRAND_NAME", "  ", "should be a name of at most 40 visible characters"),
    ],
)
def test_what_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, why: str
) -> None:
    monkeypatch.setenv(f"KEYFOB_{variable}", value)

    with pytest.raises(WrongSetting, match=f"KEYFOB_{variable}: .*{why}"):
        load_settings()


def test_mails_have_the_colours_of_the_brand() -> None:
    palette = palette_of("#006a8a")
    told = {"token": "kfl_" + "A" * 43, "at": "2026-11-28 12:00 UTC"}

    html = (
        Writer("https://a.example", "Acme", None, palette)
        .write("recover", Locale.ENGLISH, told)
        .html
    )

    assert "background:#006a8a;color:#ffffff" in html
    assert palette.dark.accent in html
    assert OURS.light.accent not in html
