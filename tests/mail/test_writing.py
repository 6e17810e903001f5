"""The templates: each in both languages and forms, and what people type in them is data."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.logs import captured_log

from keyfob.core.locales import Locale
from keyfob.mail.mails import KINDS
from keyfob.mail.writing import KNOWN, NEEDED, Writer, WrongTemplate
from keyfob.settings import WrongSetting

BASE = "https://login.example.com/auth"
TOKEN = "kfl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
TOLD: dict[str, Any] = {
    "token": TOKEN,
    "at": "2026-11-22 12:00 UTC",
    "address": "203.0.113.7",
    "device": "Firefox 140 on Linux",
    "place": "London, United Kingdom",
    "factor": "My phone",
    "key": "Backup",
    "app": "Ledger",
    "new_email": "b***@example.com",
    "codes_left": 9,
    "erase_at": "2026-12-06 12:00 UTC",
    "is_first_proof": True,
    "is_kept": True,
    "ends_keys": True,
    "expires_at": "2026-11-22 12:30 UTC",
    "silent_until": "2026-11-22 13:00 UTC",
    "name": "Ada Lovelace",
}

ALL = [(template, locale) for template in KINDS for locale in Locale]
PAGES = {template: kind.page for template, kind in KINDS.items() if kind.page}


@pytest.fixture(scope="module")
def writer() -> Writer:
    return Writer(BASE, "Keyfob")


def visible(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", " ", html.partition("<body")[2].partition(">")[2]))


@pytest.mark.parametrize(("template", "locale"), ALL)
def test_each_mail_in_both_languages_and_forms(
    writer: Writer, template: str, locale: Locale
) -> None:
    written = writer.write(template, locale, TOLD)

    assert 5 < len(written.subject) < 70
    assert "Ada Lovelace" in written.text
    assert bool(re.search("[\u0430-\u044f]", written.subject + written.text)) is (locale == "ru")
    assert "{" not in written.text + written.subject
    assert max(len(line) for line in written.text.splitlines() if "://" not in line) <= 76
    assert f'<html lang="{locale}">' in written.html
    # The HTML says nothing else.
    words = set(re.findall(r"\w+", written.text))
    assert words <= set(re.findall(r"\w+", visible(written.html)))


@pytest.mark.parametrize(("template", "locale"), ALL)
def test_each_mail_with_the_least_that_can_be_told(
    writer: Writer, template: str, locale: Locale
) -> None:
    least = {name: TOLD[name] for name in ("at", *NEEDED)}
    written = writer.write(template, locale, least)

    assert "None" not in written.text + written.html
    assert "\n\n\n" not in written.text


@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("template", PAGES)
def test_a_link_stands_on_a_line_of_its_own_and_so_does_its_token(
    writer: Writer, template: str, locale: Locale
) -> None:
    written = writer.write(template, locale, TOLD)
    link = f"{BASE}/ui/{PAGES[template]}#token={TOKEN}"

    assert written.link == link
    assert f"\n{link}\n" in written.text
    assert f"\n{TOKEN}\n" in written.text
    assert f'href="{link}"' in written.html
    assert f">{TOKEN}<" in written.html
    assert TOLD["expires_at"] in written.text


@pytest.mark.parametrize("template", [t for t in KINDS if t not in PAGES])
def test_a_mail_without_a_link_shows_no_token(writer: Writer, template: str) -> None:
    written = writer.write(template, Locale.ENGLISH, TOLD)

    assert written.link is None
    assert TOKEN not in written.text + written.html


@pytest.mark.parametrize(("template", "locale"), ALL)
def test_the_last_mail_of_a_sort_says_so_below(
    writer: Writer, template: str, locale: Locale
) -> None:
    last = writer.write(template, locale, TOLD).text
    other = writer.write(template, locale, {**TOLD, "silent_until": None}).text

    assert last.startswith(other.partition("-- \n")[0].rstrip())
    assert TOLD["silent_until"] in " ".join(last.split())
    assert TOLD["silent_until"] not in " ".join(other.split())


SECURITY = [
    "new_sign_in",
    "password_changed",
    "password_recovered",
    "factor_added",
    "factor_removed",
    "api_key_created",
    "device_allowed",
    "recovery_code_used",
    "recovery_codes_renewed",
    "session_reused",
    "email_changed",
]


@pytest.mark.parametrize("locale", Locale)
@pytest.mark.parametrize("template", SECURITY)
def test_what_happened_is_told_with_when_and_from_where(
    writer: Writer, template: str, locale: Locale
) -> None:
    text = writer.write(template, locale, TOLD).text

    for told in ("at", "address", "device", "place"):
        assert TOLD[told] in text


@pytest.mark.parametrize(
    "name",
    [
        "{{7*7}}",
        "{% raw %}",
        "<script>alert(1)</script>",
        "\"&<>'",
        "#}{#",
        "Ünï",
    ],
)
@pytest.mark.parametrize("where", ["factor", "device", "place"])
def test_what_people_type_is_data(writer: Writer, name: str, where: str) -> None:
    written = writer.write("factor_added", Locale.ENGLISH, {**TOLD, where: name})

    assert name in written.text
    assert name in visible(written.html)
    assert "<script" not in written.html
    assert "49" not in written.text


def test_a_line_break_in_what_people_type_begins_no_line_and_no_header(writer: Writer) -> None:
    told = {**TOLD, "device": "Firefox\r\nBcc: eve@example.org\n\nClick\u2028here\u202etxt"}
    written = writer.write("new_sign_in", Locale.ENGLISH, told)

    assert "Device: Firefox Bcc: eve@example.org Click here txt\n" in written.text
    assert "\n" not in written.subject


@pytest.mark.parametrize(
    "name",
    [
        "Win! http://evil.example",
        "call +79161234567",
        "www.evil",
        "evil.example",
        "ada@evil.example",
        "{{7*7}}",
        "<script>alert(1)</script>",
        "a" * 41,
        "Account locked: fraud! Call 0800 123 4567 at once",
        "Confirm at evil dot example or lose access",
        "Locked: confirm",
        "Call us at once!",
        "Reply, Ada",
        "Ada 2",
        "Who are you?",
        "\u2460 Ada",
    ],
)
def test_a_name_that_would_advertise_something_is_left_out(writer: Writer, name: str) -> None:
    """Threat: somebody signs up with a stranger's address, and a name to be sent there.

    Or the thief of a session changes the name, and has its owner read it in our next mail.
    """
    written = writer.write("verify_email", Locale.ENGLISH, {**TOLD, "name": name})

    assert name not in written.text + written.html
    assert "\n\nSomebody" in written.text
    assert written.text.startswith("Hello,\n")


NAMES = ["J. R. R. Tolkien", "O'Brien-Smith", "D\u2019Arcy", "Ада", "أحمد", "李小龍", "रवि", "Ünï"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_a_person_is_greeted(writer: Writer, name: str) -> None:
    written = writer.write("new_sign_in", Locale.ENGLISH, {**TOLD, "name": name})

    assert written.text.startswith(f"Hello {name},\n")


def test_an_api_key_whose_name_would_advertise_something_is_not_named(writer: Writer) -> None:
    name = "Win! http://evil.example"
    written = writer.write("api_key_created", Locale.ENGLISH, {**TOLD, "key": name})

    assert name not in written.text + written.html


def test_every_file_is_used() -> None:
    folder = Path("src/keyfob/mail/templates")
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    parts = {"_footer", "_greeting", "_last", "_link", "_not_you", "_where", *KINDS}

    assert found == {"layout.txt", "layout.html"} | {f"{part}.txt" for part in parts}


# Templates of one's own


def of_one_s_own(folder: Path, **files: str) -> Writer:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return Writer(BASE, "Keyfob", folder)


def test_a_file_replaces_ours_and_all_else_stays(tmp_path: Path) -> None:
    writer = of_one_s_own(
        tmp_path,
        en__erased="Subject: Bye, {{ name }}\n\nIt is done.\n",
        en___greeting="Dear {{ name }},\n",
    )
    writer.check()

    mine = writer.write("erased", Locale.ENGLISH, TOLD)
    assert (mine.subject, mine.text.partition("\n")[0]) == ("Bye, Ada Lovelace", "It is done.")
    assert writer.write("recover", Locale.ENGLISH, TOLD).text.startswith("Dear Ada Lovelace,\n")
    assert writer.write("erased", Locale.RUSSIAN, TOLD) == Writer(BASE, "Keyfob").write(
        "erased", Locale.RUSSIAN, TOLD
    )


def test_a_file_for_all_languages_replaces_ours_but_one_of_a_language_counts_more(
    tmp_path: Path,
) -> None:
    writer = of_one_s_own(
        tmp_path,
        erased='Subject: {{ _("Your account was erased") }}\n\nIt is done.\n',
        ru__erased="Subject: Fin\n\nDone.\n",
    )
    writer.check()

    assert "It is done." in writer.write("erased", Locale.ENGLISH, TOLD).text
    russian = writer.write("erased", Locale.RUSSIAN, TOLD)
    assert (russian.subject, russian.text.partition("\n")[0]) == ("Fin", "Done.")


WRONG = {
    "an unknown name": "Subject: Bye\n\n{{ surname }}\n",
    "no such thing": "Subject: Bye\n\n{% iff name %}\n",
    "no subject": "Bye!\n\nIt is done.\n",
    "nothing else": "Subject: Bye\n",
    "out of its box": "Subject: Bye\n\n{{ ''.__class__.__mro__ }}\n",
    "a file elsewhere": "Subject: Bye\n\n{% include '../../../pyproject.toml' %}\n",
    "a fault": "Subject: Bye\n\n{{ 1 // 0 }}\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_named_and_ours_takes_its_place(tmp_path: Path, text: str) -> None:
    writer = of_one_s_own(tmp_path, en__erased=text)

    with pytest.raises(WrongTemplate, match=r"en/erased\.txt|surname|toml"):
        writer.check()
    with captured_log() as log:
        written = writer.write("erased", Locale.ENGLISH, TOLD)
    assert written.subject == "Your account was erased"
    (failed,) = log.named("mail_template_failed")
    assert (failed["template"], failed["locale"]) == ("erased", "en")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    writer = of_one_s_own(tmp_path, en__erased="")
    (tmp_path / "en" / "erased.txt").write_bytes(b"Subject: \xff\n\nBye")

    with pytest.raises(WrongTemplate, match=r"en/erased\.txt"):
        writer.check()


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match=r"KEYFOB_MAIL_TEMPLATES: .*none: should be a folder"):
        Writer(BASE, "Keyfob", tmp_path / "none")


def test_ours_are_well() -> None:
    Writer(BASE, "Keyfob").check()
    assert set(TOLD) == KNOWN
