"""The check of the catalogues finds each kind of fault."""

import pytest
from babel.messages.catalog import Catalog
from scripts.languages import carried_over, faults_of, unmarked

FORMS = ("завершится %(num)s сеанс", "завершатся %(num)s сеанса", "завершатся %(num)s сеансов")
SESSIONS = ("%(num)s session ends", "%(num)s sessions end")


def catalog(**words: str | None) -> Catalog:
    """Return Russian words: none of them changed, but those that are named."""
    made = Catalog(locale="ru", fuzzy=False)
    made.add("Sign in", words.get("button", "Войти"))
    made.add("Write to <b>%(name)s</b>.", words.get("line", "Напишите <b>%(name)s</b>."))
    made.add(SESSIONS, FORMS)
    return made


def test_good_words_pass() -> None:
    assert list(faults_of(catalog(), catalog())) == []


def test_a_word_that_is_missing_empty_or_not_used_is_named() -> None:
    less = Catalog(locale="ru", fuzzy=False)

    assert list(faults_of(catalog(button=None), catalog())) == ["'Sign in' is missing"]
    assert next(faults_of(less, catalog())) == "'Sign in' is missing"
    assert next(faults_of(catalog(), less)) == "'Sign in' is not used"


def test_a_guess_is_named() -> None:
    guessed = catalog()
    guessed["Sign in"].flags.add("fuzzy")

    assert list(faults_of(guessed, catalog())) == ["'Sign in' is fuzzy"]


def test_russian_has_three_forms() -> None:
    two = catalog()
    two[SESSIONS].string = FORMS[:2]

    assert list(faults_of(two, catalog())) == [f"{SESSIONS!r}: has 2 forms, not 3"]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("Напишите <b>%(nme)s</b>.", "other holes"),
        ("Напишите <b></b>.", "other holes"),
        ("Напишите <b>%(name)s</b>, %.", "other holes"),
        ("Напишите <i>%(name)s</i>.", "other tags"),
        ("Напишите <b>%(name)s</b>", "another end"),
        (" Напишите <b>%(name)s</b>.", "another end"),
        ('Напишите <b>"%(name)s"</b>.', "quotation marks or dots of a typewriter"),
    ],
)
def test_a_translation_that_does_not_fit_is_named(line: str, fault: str) -> None:
    found = [one.partition(": ")[2] for one in faults_of(catalog(line=line), catalog())]

    assert found == [f"{fault} {'of' if fault == 'another end' else 'in'} {line!r}"]


def test_what_is_no_longer_said_goes_and_the_rest_stays() -> None:
    template = Catalog(fuzzy=False)
    template.add("Sign in")
    template.add("Sign out")

    kept = carried_over(template, catalog())

    assert [(one.id, one.string) for one in kept if one.id] == [
        ("Sign in", "Войти"),
        ("Sign out", None),
    ]


@pytest.mark.parametrize(
    "template",
    [
        '{% if x %}<p class="lead">{{ _("Sign in") }}</p>{% endif %}',
        '{{ button(_("Sign in"), kind="secondary") }}',
        '{{ ngettext("%(num)s session ends", "%(num)s sessions end", count) }}',
        "{% trans %}Sign in{% endtrans %}",
        '<img src="{{ path }}" alt=""><kbd>Ctrl K</kbd>{{ name }}',
        '<style>.wide { color: red }</style>{% set paths = {"key": "<path d=M4 />"} %}',
    ],
)
def test_a_template_whose_words_are_marked_passes(template: str) -> None:
    assert list(unmarked(template)) == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% if x %}<p>Sign in</p>{% endif %}", "Sign in"),
        ('{{ x }}<button title="Remove it">', "Remove it"),
        ('{{ button("Sign in") }}', "Sign in"),
        ("{{ x }}<p>what was not done yet</p>", "what was not done yet"),
        ("{{ x if y else 'Never' }}", "Never"),
    ],
)
def test_words_of_a_template_that_are_not_marked_are_named(template: str, words: str) -> None:
    assert list(unmarked(template)) == [words]
