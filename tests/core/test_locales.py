"""The language of a newcomer, from Accept-Language (RFC 9110 section 12.5.4), and its words."""

import asyncio
import io
from gettext import GNUTranslations

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from jinja2 import Environment
from tests.fixtures.pseudo import PseudoTranslations

from keyfob.core.locales import (
    CATALOGUES,
    N_,
    Locale,
    gettext,
    install_words,
    known_locale,
    ngettext,
    npgettext,
    pgettext,
    preferred_locale,
    speaking,
    spoken_locale,
)


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("", "en"),
        ("ru", "ru"),
        ("RU-ru", "ru"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7", "ru"),
        ("de, ru;q=0.5", "ru"),
        ("ru;q=0.4, en;q=0.6", "en"),
        ("ru;q=0.4,en-GB ; q=1.0", "en"),
        ("ru, en", "ru"),
        ("en, ru", "en"),
        ("ru;q=0", "en"),
        ("de-AT, *", "en"),
        ("russian", "en"),
        ("ru;q=2", "en"),
        ("ru;q=nan", "en"),
        ("ru;level=1", "en"),
        (";;,,q=1,ru", "ru"),
        ("ru" + "-x" * 100, "en"),
        ("x," * 1000 + "ru", "en"),
        ("\u0440\u0443", "en"),
    ],
)
def test_the_language_liked_best_of_those_we_write(header: str, locale: str) -> None:
    assert preferred_locale(header) == locale


@pytest.mark.parametrize(
    ("tag", "locale"),
    [("en", "en"), ("ru", "ru"), ("ru-RU", "ru"), ("RU_ru", "ru"), ("de", "en"), ("", "en"),
     ("../../etc", "en")],
)  # fmt: skip
def test_a_language_that_is_none_of_ours_is_english(tag: str, locale: str) -> None:
    assert known_locale(tag) == locale


def test_each_language_is_named_in_itself() -> None:
    assert [locale.own_name for locale in Locale] == ["English", "Русский"]


# Words


@pytest.fixture
def russian(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Russian have a few words, compiled by the tools that compile ours."""
    catalog = Catalog(locale="ru")
    catalog.add("Sign in", "Войти")
    catalog.add("state", "область", context="of a country")
    catalog.add("Hello %(name)s", "Здравствуйте, %(name)s")
    catalog.add(
        ("%(num)s session ends", "%(num)s sessions end"),
        ("завершится %(num)s сеанс", "завершатся %(num)s сеанса", "завершатся %(num)s сеансов"),
    )
    catalog.add(("key", "keys"), ("ключ", "ключа", "ключей"), context="of an API")
    file = io.BytesIO()
    write_mo(file, catalog)
    file.seek(0)
    monkeypatch.setitem(CATALOGUES, Locale.RUSSIAN, GNUTranslations(file))


@pytest.mark.usefixtures("russian")
def test_words_are_said_in_the_language_of_the_moment() -> None:
    later = N_("Sign in")

    with speaking(Locale.RUSSIAN):
        assert (gettext(later), spoken_locale()) == ("Войти", Locale.RUSSIAN)
        assert pgettext("of a country", "state") == "область"
        with speaking(Locale.ENGLISH):
            assert (gettext(later), spoken_locale()) == ("Sign in", Locale.ENGLISH)
        assert gettext("A sentence that nobody translated") == "A sentence that nobody translated"

    assert (gettext(later), spoken_locale()) == ("Sign in", Locale.ENGLISH)
    assert pgettext("of a country", "state") == "state"


@pytest.mark.usefixtures("russian")
@pytest.mark.parametrize(
    ("count", "english", "said"),
    [
        (0, "0 sessions end", "завершатся 0 сеансов"),
        (1, "1 session ends", "завершится 1 сеанс"),
        (2, "2 sessions end", "завершатся 2 сеанса"),
        (5, "5 sessions end", "завершатся 5 сеансов"),
        (11, "11 sessions end", "завершатся 11 сеансов"),
        (21, "21 sessions end", "завершится 21 сеанс"),
        (104, "104 sessions end", "завершатся 104 сеанса"),
        (1000, "1000 sessions end", "завершатся 1000 сеансов"),
    ],
)
def test_a_number_takes_its_form(count: int, english: str, said: str) -> None:
    def say() -> str:
        return ngettext("%(num)s session ends", "%(num)s sessions end", count) % {"num": count}

    assert say() == english
    with speaking(Locale.RUSSIAN):
        assert say() == said
        assert npgettext("of an API", "key", "keys", count)[:4] == "ключ"


@pytest.mark.usefixtures("russian")
async def test_another_task_speaks_its_own_language() -> None:
    async def say(locale: Locale) -> str:
        with speaking(locale):
            await asyncio.sleep(0)
            return gettext("Sign in")

    said = await asyncio.gather(*(say(locale) for locale in [*Locale, *Locale]))

    assert said == ["Sign in", "Войти", "Sign in", "Войти"]


@pytest.mark.usefixtures("russian")
def test_templates_speak_and_escape_what_is_put_in() -> None:
    environment = Environment(autoescape=True)
    install_words(environment)
    template = environment.from_string(
        '{{ _("Hello %(name)s", name=name) }}; '
        '{{ ngettext("%(num)s session ends", "%(num)s sessions end", 3) }}; '
        "{% trans name %}\n  Hello\n  {{ name }}\n{% endtrans %}"
    )

    with speaking(Locale.RUSSIAN):
        said = template.render(name="<b>")

    assert said == "Здравствуйте, &lt;b&gt;; завершатся 3 сеанса; Здравствуйте, &lt;b&gt;"
    assert template.render(name="Ada") == "Hello Ada; 3 sessions end; Hello Ada"


def test_every_language_has_a_catalogue() -> None:
    for locale in Locale:
        with speaking(locale):
            assert gettext("A sentence that nobody wrote") == "A sentence that nobody wrote"


def test_the_made_up_language_keeps_holes_and_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUES, Locale.RUSSIAN, PseudoTranslations())
    environment = Environment(autoescape=True)
    install_words(environment)

    with speaking(Locale.RUSSIAN):
        said = environment.from_string(
            '{{ gettext("Sign in, <b>%(name)s</b>", name="Ada") }}'
        ).render()

    assert said == "[!!! Šîĝñ îñ, <b>Ada</b> ···· !!!]"
