"""The languages that Keyfob writes in: the choice of one for a reader, and its words.

The catalogues are gettext's, `locale/<language>/LC_MESSAGES/keyfob.mo`. English sentences are their
keys, so English needs no catalogue. `make words` collects what is marked, here and in templates.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent.parent / "locale"

_RANGE = re.compile(
    r"\s*([a-zA-Z]{1,8})(?:-[a-zA-Z0-9]{1,8}){0,8}\s*"
    r"(?:;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?"
)
_MOST_RANGES = 20


class Locale(StrEnum):
    """A language that Keyfob writes in."""

    ENGLISH = "en"
    RUSSIAN = "ru"

    @property
    def own_name(self) -> str:
        """The name of the language in itself, for a list to choose from."""
        return _OWN_NAMES[self]


_OWN_NAMES = {Locale.ENGLISH: "English", Locale.RUSSIAN: "Русский"}


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


class _Speech(NamedTuple):
    locale: Locale
    words: NullTranslations


# By language, each loaded with its first sentence. Tests put a language of their own in a place.
CATALOGUES: dict[Locale, NullTranslations] = {Locale.ENGLISH: NullTranslations()}
_ENGLISH = _Speech(Locale.ENGLISH, CATALOGUES[Locale.ENGLISH])
_speech = ContextVar("speech", default=_ENGLISH)


@contextmanager
def speaking(locale: Locale) -> Iterator[None]:
    """Let the functions below answer in a language, in this task alone."""
    if locale not in CATALOGUES:
        with (FOLDER / locale / "LC_MESSAGES" / "keyfob.mo").open("rb") as file:
            CATALOGUES[locale] = GNUTranslations(file)
    token = _speech.set(_Speech(locale, CATALOGUES[locale]))
    try:
        yield
    finally:
        _speech.reset(token)


def spoken_locale() -> Locale:
    """Return the language of `speaking`; English outside of it."""
    return _speech.get().locale


def gettext(message: str) -> str:
    """Return a sentence in the language of the moment; put in holes with `% {"name": ...}`."""
    return _speech.get().words.gettext(message)


def ngettext(one: str, many: str, count: int) -> str:
    """Return the form of a sentence for a number; its hole is `%(num)s`."""
    return _speech.get().words.ngettext(one, many, count)


def pgettext(context: str, message: str) -> str:
    """Return a word that has several meanings; the context says which one."""
    return _speech.get().words.pgettext(context, message)


def npgettext(context: str, one: str, many: str, count: int) -> str:
    """Return the form for a number of a word that has several meanings."""
    return _speech.get().words.npgettext(context, one, many, count)


def N_(message: str) -> str:  # noqa: N802 - the name by which gettext's tools find it
    """Mark a sentence that `gettext` is to say later."""
    return message


_ = gettext


def install_words(environment: "Environment") -> None:
    """Give templates `_`, `ngettext`, `pgettext` and `{% trans %}`.

    A template writes `_("Hello %(name)s", name=...)`. In a template of HTML, the sentence is markup
    and what is put in is escaped; a percent sign is written `%%`.
    """
    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined] # the extension adds it
        gettext, ngettext, newstyle=True, pgettext=pgettext, npgettext=npgettext
    )
