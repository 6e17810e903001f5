"""Keep the catalogues of words in src/keyfob/locale: gettext's, by the tools of Babel.

`update` collects the marked words of the code and the templates into `keyfob.pot`, carries them
over to each language's `keyfob.po`, and compiles that into `keyfob.mo`. `check` changes nothing
and prints what is wrong. `missing` prints the words that a language lacks.
"""

import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

SOURCE = Path("src/keyfob")
FOLDER = SOURCE / "locale"

_TEMPLATES = (SOURCE / "web/templates", SOURCE / "mail/templates")
_METHODS = [
    ("web/templates/**.html", "jinja2"),
    ("mail/templates/**.html", "jinja2"),
    ("mail/templates/**.txt", "jinja2"),
    ("**.py", "python"),
]
# As `keyfob.core.locales.install_words` sets templates up; a template that fails is not left out.
_JINJA = {"newstyle_gettext": "true", "trimmed": "true", "silent": "false"}

# Babel writes the time into each file. The history of the files says it better.
_NO_TIME = datetime(2026, 1, 1, tzinfo=UTC)

# Of a template, what is no text: code, keys to press, tags.
_CODE = re.compile(r"<!--.*?-->|<(style|script|svg|kbd)\b.*?</\1>", re.DOTALL)
_SPOKEN = re.compile(r'\s(?:title|alt|label|placeholder|aria-(?:label|description))="([^"]*)"')
_TRANS = re.compile(r"{%-?\s*trans\b.*?endtrans\s*-?%}", re.DOTALL)
_SENTENCE = re.compile(r"^[A-Z][a-z]+([ .,:!?…]|$)|^[^\0]*[a-z]+ [a-z]+ [a-z]+[^\0]*$")
_KEYS = {"Ctrl K", "Enter", "Esc"}  # of the keyboard, the same in every language
_MARKERS = {"_", "gettext", "ngettext", "pgettext", "npgettext"}

_HOLE = re.compile(r"%\(\w+\)s|%%|%")
_TAG = re.compile(r"</?[a-z][^>]*>")
_ENDS = ".:?…"


def main() -> int:
    """Do what the command line says; return 1 if `check` finds a fault."""
    command = sys.argv[1] if len(sys.argv) > 1 else "check"
    if command == "update":
        update()
        return 0
    found = list(missing() if command == "missing" else faults())
    print(*found, sep="\n", end="\n" if found else "")
    return int(command == "check" and bool(found))


def languages() -> list[str]:
    """Return the languages that have a folder."""
    return sorted(path.parent.parent.name for path in FOLDER.glob("*/LC_MESSAGES/keyfob.po"))


def update() -> None:
    """Write the template, and each language's words in its order, and compile them."""
    template = extract()
    (FOLDER / "keyfob.pot").write_bytes(written(template))
    for language in languages():
        catalog = carried_over(template, read(language))
        path(language).write_bytes(written(catalog))
        path(language).with_suffix(".mo").write_bytes(compiled(catalog))


def extract() -> Catalog:
    """Collect what is marked; files come in the order of their names."""
    options: dict[str, dict[str, Any]] = {
        pattern: _JINJA for pattern, method in _METHODS if method == "jinja2"
    }
    catalog = empty()
    found = extract_from_dir(SOURCE, _METHODS, options, comment_tags=["Translators:"])
    for name, _, message, comments, context in sorted(found, key=lambda one: (one[0], one[1])):
        catalog.add(message, None, [(name, 0)], auto_comments=comments, context=context)
    return catalog


def empty(language: str | None = None) -> Catalog:
    """Return a catalogue without words."""
    words = f"the words of Keyfob in {language}" if language else "the words that Keyfob says"
    return Catalog(
        locale=language,
        header_comment=f"# {words[0].upper()}{words[1:]}. `make words` keeps this file.",
        project="keyfob",
        version="",
        msgid_bugs_address="",
        last_translator="",
        language_team="",
        creation_date=_NO_TIME,
        revision_date=_NO_TIME,
        fuzzy=False,
    )


def carried_over(template: Catalog, known: Catalog) -> Catalog:
    """Return the words of a template with the translations that are known."""
    catalog = empty(str(known.locale))
    for message in template:
        if message.id:
            old = known.get(message.id, message.context)
            catalog.add(
                message.id,
                old.string if old else None,
                message.locations,
                auto_comments=message.auto_comments,
                user_comments=old.user_comments if old else (),
                context=message.context,
            )
    return catalog


def path(language: str) -> Path:
    """Return the path of a language's words."""
    return FOLDER / language / "LC_MESSAGES" / "keyfob.po"


def read(language: str) -> Catalog:
    """Return a language's words."""
    with path(language).open("rb") as file:
        return read_po(file, locale=language)


def written(catalog: Catalog) -> bytes:
    """Return the file of a catalogue: a line a sentence, no numbers of lines."""
    file = io.BytesIO()
    write_po(file, catalog, width=0, include_lineno=False)
    return file.getvalue()


def compiled(catalog: Catalog) -> bytes:
    """Return what the service reads of a catalogue."""
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def faults() -> Iterator[str]:
    """Yield what is wrong, a line each."""
    template = extract()
    if (FOLDER / "keyfob.pot").read_bytes() != written(template):
        yield f"{FOLDER}/keyfob.pot: is not what the code says now; run `make words`"
    for message in template:
        if "%" in holes(message.id):
            yield f"{message.id!r}: a percent sign is written %%"
    for file in sorted(path for folder in _TEMPLATES for path in folder.rglob("*.*")):
        yield from (f"{file}: {words!r} is not marked" for words in unmarked(file.read_text()))
    for language in languages():
        catalog = read(language)
        yield from (f"{path(language)}: {fault}" for fault in faults_of(catalog, template))
        again = carried_over(template, catalog)
        if path(language).with_suffix(".mo").read_bytes() != compiled(again):
            yield f"{path(language)}: the compiled file says something else; run `make words`"


def unmarked(template: str) -> Iterator[str]:
    """Yield what looks like sentences of a template, and is not marked."""
    if "{{" not in template and "{%" not in template:
        return
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    tokens = environment.lex(_TRANS.sub("", template.removeprefix("Subject: ")))
    text = "".join(
        value if kind == "data" else "\0"
        for _, kind, value in tokens
        if kind in {"data", "variable_begin"}
    )
    text = _CODE.sub("", text)
    pieces = [*_SPOKEN.findall(text), *re.split(r"<[^>]*>", text)]
    yield from (
        piece.strip() for piece in pieces if _SENTENCE.search(piece.strip()) and '="' not in piece
    )
    tree = environment.parse(template)
    marked = {
        id(said)
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in _MARKERS
        for said in call.find_all(nodes.Const)
    }
    for said in tree.find_all(nodes.Const):
        if id(said) in marked or not isinstance(said.value, str) or said.value in _KEYS:
            continue
        if "<" not in said.value and _SENTENCE.search(said.value):
            yield said.value


def missing() -> Iterator[str]:
    """Yield the words that a language lacks."""
    template = extract()
    for language in languages():
        catalog = read(language)
        for message in template:
            if message.id and not is_said(catalog.get(message.id, message.context)):
                yield f"{language}: {message.id!r}"


def faults_of(catalog: Catalog, template: Catalog) -> Iterator[str]:
    """Yield what is wrong with a language's words."""
    for message in template:
        if message.id and not is_said(catalog.get(message.id, message.context)):
            yield f"{message.id!r} is missing"
    for message in catalog:
        if message.id and template.get(message.id, message.context) is None:
            yield f"{message.id!r} is not used"
        elif message.id and message.fuzzy:
            yield f"{message.id!r} is fuzzy"
        elif message.id and is_said(message):
            yield from (
                f"{message.id!r}: {fault}" for fault in faults_in(message, catalog.num_plurals)
            )
    yield from (f"{message.id!r} is kept, but not used" for message in catalog.obsolete.values())


def is_said(message: Message | None) -> bool:
    """Tell whether a translation is there, in all its forms."""
    return message is not None and bool(message.string) and all(forms(message.string))


def faults_in(message: Message, plurals: int) -> Iterator[str]:
    """Yield what is wrong with one translation."""
    key, said = forms(message.id)[-1], forms(message.string)
    if message.pluralizable and len(said) != plurals:
        yield f"has {len(said)} forms, not {plurals}"
    for form in said:
        if holes(form) != holes(key):
            yield f"other holes in {form!r}"
        if Counter(_TAG.findall(form)) != Counter(_TAG.findall(key)):
            yield f"other tags in {form!r}"
        if ending(form) != ending(key) or form.strip() != form:
            yield f"another end of {form!r}"
        if '"' in _TAG.sub("", form) or "..." in form:
            yield f"quotation marks or dots of a typewriter in {form!r}"


def forms(said: Any) -> tuple[str, ...]:
    """Return the forms of a sentence: one, or those of its numbers."""
    return (said,) if isinstance(said, str) else tuple(said or ())


def holes(said: Any) -> Counter[str]:
    """Count what is to be put into a sentence; of several forms, the last has all."""
    return Counter(_HOLE.findall(forms(said)[-1]))


def ending(text: str) -> str:
    """Return the mark at the end of a sentence; empty for none."""
    return text[-1] if text[-1:] in _ENDS else ""


if __name__ == "__main__":
    sys.exit(main())
