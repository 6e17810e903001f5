import gzip
import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from tests.fixtures import gallery

from keyfob.core.locales import Locale

STATIC = gallery.WEB / "static"
CSS = (STATIC / "keyfob.css").read_text()
TOKENS = re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", CSS)
SCHEMES = {
    "light": {name: light for name, light, _ in TOKENS},
    "dark": {name: dark for name, _, dark in TOKENS},
}
UNDRAWN = {"list", "{}"}  # every list with a class goes without dots; a hole of a drawing
GROUNDS = ["ground", "surface", "raised", "sunken"]

# What is read on what: 4.5:1 (WCAG 1.4.3). Edges and what is drawn: 3:1 (1.4.11).
READ = [
    *((ink, ground) for ink in ("ink", "ink-2", "accent", "bad") for ground in GROUNDS),
    *((kind, f"{kind}-soft") for kind in ("accent", "good", "warn", "bad")),
    *(("ink", f"{kind}-soft") for kind in ("accent", "good", "warn", "bad")),
    ("ink-2", "accent-soft"),
    ("on-accent", "accent"),
    ("on-accent", "accent-hover"),
    ("on-bad", "bad"),
    ("on-bad", "bad-hover"),
]
DRAWN = [
    *((line, ground) for line in ("line-strong", "accent") for ground in GROUNDS),
    *((kind, "surface") for kind in ("good", "warn", "bad")),
]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("pairs", "least"), [(READ, 4.5), (DRAWN, 3.0)], ids=["what is read", "what is drawn"]
)
def test_the_colours_keep_their_contrast(
    scheme: str, pairs: list[tuple[str, str]], least: float
) -> None:
    colours = SCHEMES[scheme]
    found = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    assert {pair: ratio for pair, ratio in found.items() if ratio < least} == {}


def test_colours_are_tokens() -> None:
    rules = re.sub(r"^  --[a-z0-9-]+: .*;$", "", CSS, flags=re.MULTILINE)
    assert re.findall(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch|color-mix)\(", rules) == []


def test_properties_are_logical() -> None:
    sides = "(?:left|right|top|bottom)"
    sizes = "(?:(?:min|max)-)?(?:width|height)"
    physical = rf"(?:^|[{{;]\s*)((?:margin|padding|border)-{sides}[a-z-]*|{sides}|{sizes}):"
    assert re.findall(physical, CSS, flags=re.MULTILINE) == []


def test_every_class_of_the_parts_is_drawn_and_every_token_is_known() -> None:
    parts = [*(gallery.WEB / "templates").rglob("*.html"), *(gallery.WEB / "parts").glob("*.py")]
    named = [
        (path.name, re.sub(r"{[{%].*?[%}]}", " ", classes))
        for path in parts
        for classes in re.findall(r'class="((?:{[{%].*?[%}]}|[^"])*)"', path.read_text())
    ]
    drawn = set(re.findall(r"\.([a-z][a-z-]*)", CSS))
    assert len(named) > 200
    assert {
        (file, one)
        for file, classes in named
        for one in classes.split()
        if one not in drawn | UNDRAWN
    } == set()
    used = set(re.findall(r"var\(--([a-z0-9-]+)", CSS))
    known = set(re.findall(r"--([a-z0-9-]+):", CSS))
    assert used <= known


def test_a_first_visit_of_the_sign_in_page_weighs_at_most_60_kb() -> None:
    fonts = sum(path.stat().st_size for path in STATIC.glob("onest-*.woff2"))
    texts = [
        gallery.render("sign_in", Locale.RUSSIAN).encode(),
        *((STATIC / name).read_bytes() for name in ("keyfob.css", "keyfob.js", "favicon.svg")),
    ]
    assert fonts + sum(len(gzip.compress(text)) for text in texts) <= 60_000


def test_the_script_weighs_at_most_6_kb_and_carries_no_words() -> None:
    script = (STATIC / "keyfob.js").read_text()
    assert len(gzip.compress(script.encode())) <= 6_000
    code = re.sub(r"^\s*//.*$|\s//\s.*$", "", script, flags=re.MULTILINE)
    # A sentence would begin with a capital and have a space; keys of the keyboard have none.
    assert re.findall(r"""["'`][A-Z][a-z]+ [^"'`]*["'`]""", code) == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", code) == []


class Elements(HTMLParser):
    """Collects the elements of a page, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def pages() -> Iterator[tuple[str, Locale, str]]:
    for name in gallery.PAGES:
        for locale in Locale:
            errors = {"": "No.", "email": "Enter an address.", "code": "Enter the code."}
            yield name, locale, gallery.render(name, locale, errors=errors, is_long=True)


@pytest.mark.parametrize(
    ("name", "locale", "html"), [pytest.param(*one, id=f"{one[0]}-{one[1]}") for one in pages()]
)
class TestMarkup:
    def test_has_no_inline_style_or_handler(self, name: str, locale: Locale, html: str) -> None:
        inline = [
            (tag, key)
            for tag, attributes in Elements(html).found
            for key in attributes
            if key == "style" or key.startswith("on")
        ]
        assert inline == []
        assert "<style" not in html

    def test_has_every_id_once_and_refers_to_those_that_exist(
        self, name: str, locale: Locale, html: str
    ) -> None:
        elements = Elements(html).found
        ids = Counter(attributes["id"] for _, attributes in elements if "id" in attributes)
        assert [one for one, count in ids.items() if count > 1] == []
        referring = (
            "for",
            "aria-describedby",
            "aria-labelledby",
            "aria-controls",
            "popovertarget",
            "commandfor",
        )
        meant = {
            one
            for _, attributes in elements
            for key in referring
            for one in (attributes.get(key) or "").split()
        }
        assert meant <= set(ids)

    def test_ties_every_field_to_a_label(self, name: str, locale: Locale, html: str) -> None:
        elements = Elements(html).found
        labelled = {attributes.get("for") for tag, attributes in elements if tag == "label"}
        fields = [
            attributes
            for tag, attributes in elements
            if tag in {"input", "select", "textarea"}
            and attributes.get("type") != "hidden"
            and "data-pick" not in attributes
            and "data-pick-all" not in attributes
            and attributes.get("aria-hidden") != "true"
        ]
        assert [one for one in fields if one.get("id") not in labelled] == []
        kinds = {"text", "email", "password"}
        assert [
            one for one in fields if one.get("type") in kinds and "autocomplete" not in one
        ] == []

    def test_shows_hostile_names_as_they_were_typed(
        self, name: str, locale: Locale, html: str
    ) -> None:
        assert "<img src=x" not in html


def test_every_icon_that_is_asked_for_exists() -> None:
    known = set(gallery.Sample().icons)
    for path in (gallery.WEB / "templates").rglob("*.html"):
        asked = re.findall(r"""(?:icon\(|picture=)"([a-z-]+)\"""", path.read_text())
        assert set(asked) <= known, path.name


def test_every_template_parses() -> None:
    for name in gallery.environment().list_templates(extensions=["html"]):
        gallery.environment().get_template(name)
