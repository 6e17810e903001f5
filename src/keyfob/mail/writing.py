"""The texts of mails: a template, a language and parameters become plain text and HTML.

A template is plain text whose first line is `Subject: ...`; empty lines separate its paragraphs.
Ours are in English, and their sentences are translated by the catalogues (`core/locales.py`); an
operator may have another template for each language. The HTML consists of the same paragraphs,
escaped by `layout.html`, so both always say the same, and texts that people typed are only data in
either.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from textwrap import wrap
from typing import Any

import structlog
from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from keyfob.core.locales import Locale, install_words, speaking
from keyfob.core.text import drop_controls
from keyfob.mail.mails import KINDS
from keyfob.settings import WrongSetting
from keyfob.settings.brand import OURS, Palette

log = structlog.get_logger("keyfob.mail")

_TEMPLATES = Path(__file__).parent / "templates"
_WIDTH = 76
_SUBJECT = "Subject: "
_MOST = 200

# Anything that a mail program would turn into a link or an address: somebody who signs up with a
# stranger's address could have us send that stranger an advertisement.
_TEMPTING = re.compile(r"//|@|www\.|\w\.\w{2,}|\d{5,}", re.IGNORECASE)

# Names of people are greeted; whatever may be a sentence is not.
_LONGEST_NAME = 40
_MOST_WORDS = 4
_IN_NAMES = " -'\N{RIGHT SINGLE QUOTATION MARK}."

# The parameters that every template may use; one is None if a mail does not have it, or it is not
# known. Those of the second set are always known if the mail has them.
KNOWN = {field.name for kind in KINDS.values() for field in fields(kind)}
KNOWN |= {"name", "expires_at", "silent_until"}
NEEDED = {"token", "erase_at"}


class WrongTemplate(Exception):
    """A template cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Written:
    """A mail without its envelope."""

    subject: str
    text: str
    html: str
    link: str | None


class Writer:
    """Renders the templates; jinja2 is loaded with the first mail, and compiled templates are kept.

    Args:
        base: the start of links, without a slash at the end.
        service: the name of the service in mails.
        folder: templates that replace ours, file by file.
        colours: those of links and buttons.

    Raises:
        WrongSetting: there is no such folder.
    """

    def __init__(
        self, base: str, service: str, folder: Path | None = None, colours: Palette = OURS
    ) -> None:
        if folder is not None and not folder.is_dir():
            raise WrongSetting(f"KEYFOB_MAIL_TEMPLATES: {folder}: should be a folder")
        self._base = base
        self._service = service
        self._colours = colours
        ours = _load_ours()
        self._environments = [ours] if folder is None else [_load(folder, _TEMPLATES), ours]

    def write(self, template: str, locale: Locale, told: Mapping[str, Any]) -> Written:
        """Write a mail; if a template of the folder fails, log that and use ours.

        Args:
            template: the template of one of the `KINDS`.
            locale: the reader's language.
            told: the parameters as in `QueuedMail.told`, or some of them.
        """
        first, *ours = self._environments
        try:
            return self._write(first, template, locale, told)
        except Exception as fault:
            if not ours:
                raise
            cause = _line(fault)  # without the traceback, which would show the parameters
            log.warning("mail_template_failed", template=template, locale=locale, cause=cause)
            return self._write(ours[0], template, locale, told)

    def check(self) -> None:
        """Write every mail in every language, with all parameters and with the fewest.

        Raises:
            WrongTemplate: one of them fails.
        """
        everything = {name: f"({name})" for name in KNOWN}
        least = dict.fromkeys(NEEDED, "(needed)")
        for locale in Locale:
            for template in KINDS:
                for told in (least, everything):
                    try:
                        self._write(self._environments[0], template, locale, told)
                    except Exception as fault:
                        name = getattr(fault, "filename", None) or f"{locale}/{template}.txt"
                        raise WrongTemplate(f"{name}: {_line(fault)}") from fault

    def _write(
        self,
        environment: SandboxedEnvironment,
        template: str,
        locale: Locale,
        told: Mapping[str, Any],
    ) -> Written:
        with speaking(locale):
            return self._render(environment, template, self._context(template, locale, told))

    def _render(
        self, environment: SandboxedEnvironment, template: str, context: dict[str, Any]
    ) -> Written:
        locale = context["locale"]
        whole = environment.get_template(f"{locale}/{template}.txt").render(context)
        head, _, body = whole.lstrip().partition("\n")
        if not head.startswith(_SUBJECT) or not body.strip():
            raise ValueError(
                f"should begin with a line `{_SUBJECT}...`, and say something after it"
            )
        context["subject"] = _one_line(head.removeprefix(_SUBJECT))
        footer = _one_line(environment.get_template(f"{locale}/_footer.txt").render(context))
        context["footer"] = footer
        if context["silent_until"]:
            last = environment.get_template(f"{locale}/_last.txt").render(context)
            body = f"{body}\n\n{last}"
        context["paragraphs"] = _paragraphs(body)
        whole_lines = {context["link"], context["token"]}
        wrapped = {"body": _wrapped(context["paragraphs"], whole_lines), "footer": _wrap(footer)}
        return Written(
            context["subject"],
            environment.get_template("layout.txt").render(context | wrapped) + "\n",
            environment.get_template("layout.html").render(context) + "\n",
            context["link"],
        )

    def _context(self, template: str, locale: Locale, told: Mapping[str, Any]) -> dict[str, Any]:
        context: dict[str, Any] = dict.fromkeys(KNOWN)
        for name, value in told.items():
            in_language = value.get(locale) if isinstance(value, Mapping) else value
            context[name] = _one_line(in_language) if isinstance(in_language, str) else in_language
        context["name"] = _name(context["name"])
        for chosen in ("factor", "key", "app"):
            context[chosen] = _harmless(context[chosen])
        page, token = KINDS[template].page, context["token"]
        return {
            **context,
            "locale": locale,
            "service": self._service,
            "colours": self._colours,
            "link": f"{self._base}/ui/{page}#token={token}" if page else None,
            "recover_url": f"{self._base}/ui/recover",
        }


def _load(*folders: Path) -> SandboxedEnvironment:
    """Load templates from the first folder that has them.

    `en/recover.txt` is, if no folder has it, `recover.txt`, which speaks all languages.
    """
    plain = FileSystemLoader(folders)
    environment = SandboxedEnvironment(
        loader=ChoiceLoader([plain, PrefixLoader(dict.fromkeys(Locale, plain))]),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    install_words(environment)
    return environment


@cache
def _load_ours() -> SandboxedEnvironment:
    """Load our templates, which never change, once per process."""
    return _load(_TEMPLATES)


def _one_line(text: str) -> str:
    return " ".join(drop_controls(text).split())[:_MOST]


def _harmless(text: str | None) -> str | None:
    """Return the text, or None if a mail program would make a link of it."""
    return None if text is None or len(text) > _WIDTH or _TEMPTING.search(text) else text


def _name(text: str | None) -> str | None:
    """Return the name, or None if it may be more than a name.

    Threat: the thief of a session changes the name, and the owner reads a sentence in our mail.
    """
    if _harmless(text) is None or text is None:
        return None
    is_short = len(text) <= _LONGEST_NAME and len(text.split()) <= _MOST_WORDS
    return text if is_short and all(map(_may_be_in_name, text)) else None


def _may_be_in_name(sign: str) -> bool:
    """Tell whether names may contain a sign: letters, marks (UAX #44: L*, M*) and a few others."""
    return sign in _IN_NAMES or unicodedata.category(sign)[0] in "LM"


def _paragraphs(body: str) -> list[list[str]]:
    parts = re.split(r"\n\s*\n", body.strip())
    return [[line.strip() for line in part.splitlines()] for part in parts if part.strip()]


def _wrapped(paragraphs: list[list[str]], whole: set[str | None]) -> str:
    return "\n\n".join(
        "\n".join(line if line in whole else _wrap(line) for line in lines) for lines in paragraphs
    )


def _wrap(line: str) -> str:
    return "\n".join(wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False))


def _line(fault: Exception) -> str:
    return f"{type(fault).__name__}: {fault}".partition("\n")[0]
