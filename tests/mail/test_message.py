"""A mail on the wire: no name and no address can break a header."""

import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fixtures.clock import START

from keyfob.core.locales import Locale
from keyfob.core.secrets import new_id
from keyfob.mail.mails import KINDS
from keyfob.mail.message import Letter, Sender, compose
from keyfob.mail.models import Recipient
from keyfob.mail.writing import Writer, Written
from keyfob.outbox.errors import GiveUp

SENDER = Sender.parse("Keyfob <no-reply@example.org>")
ID = new_id(START)
LONG_NAME = "Служба безопасности и поддержки учётных записей компании «Папирус» & Co. (Acme)"


def letter(to: str = "ada@example.com", sender: Sender = SENDER, subject: str = "Hello") -> Letter:
    written = Written(subject, "Привет, Ada\n", "<p>Привет, Ada</p>\n", None)
    return compose(ID, START, sender, Recipient(to, Locale.RUSSIAN), written)


def parsed(sent: Letter) -> EmailMessage:
    return cast("EmailMessage", message_from_bytes(sent.content, policy=policy.SMTP))


def raw(sent: Letter, field: str) -> str:
    """Return the unfolded value of a header (RFC 5322 section 2.2.3)."""
    head = sent.content.partition(b"\r\n\r\n")[0].decode()
    unfolded = re.sub(r"\r\n(?=[ \t])", "", head)
    return dict(line.split(": ", 1) for line in unfolded.split("\r\n"))[field]


def decoded(text: str) -> str:
    """Read encoded words as RFC 2047 has it; the parser of old Pythons adds spaces in a name."""
    return str(make_header(decode_header(text)))


def read_sender(sent: Letter) -> tuple[str, str]:
    name, address = parseaddr(raw(sent, "From"))
    return decoded(name), address


def headers(sent: Letter) -> list[str]:
    head, _, _ = sent.content.partition(b"\r\n\r\n")
    return [line.decode("ascii") for line in head.split(b"\r\n")]


def test_the_headers() -> None:
    assert headers(letter()) == [
        "From: Keyfob <no-reply@example.org>",
        "To: ada@example.com",
        "Subject: Hello",
        "Date: Sun, 22 Nov 2026 12:00:00 +0000",
        f"Message-ID: <{ID.hex}@example.org>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: multipart/alternative;",
        f' boundary="=_{ID.hex}"',
        "Content-Language: ru",
    ]


def test_both_forms_arrive_over_seven_bits() -> None:
    sent = letter()
    mail = parsed(sent)
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))

    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == "Привет, Ada\n"
    assert html.get_content().replace("\r\n", "\n") == "<p>Привет, Ada</p>\n"
    assert sent.content.isascii()
    assert max(len(line) for line in sent.content.split(b"\r\n")) <= 100


def test_the_same_job_is_the_same_message() -> None:
    assert letter().content == letter().content


def test_a_subject_in_another_script() -> None:
    subject = "Подтвердите адрес почты, пожалуйста, и ещё раз: подтвердите адрес почты"

    assert parsed(letter(subject=subject))["Subject"] == subject


def subjects() -> Iterator[str]:
    """All our subjects, with possible names of a service."""
    for locale in Locale:
        writer = Writer("https://example.org", LONG_NAME)
        for template in KINDS:
            yield writer.write(template, locale, {}).subject


@pytest.mark.parametrize("to", ["ada@example.com", "ада@example.com"])
def test_no_header_loses_a_space(to: str) -> None:
    lost = [
        text for text in subjects() if decoded(raw(letter(to, subject=text), "Subject")) != text
    ]
    for length in range(1, len(LONG_NAME) + 1):
        sender = Sender(LONG_NAME[:length].strip(), "no-reply@example.org")
        sent = letter(to, sender)
        if read_sender(sent) != (sender.name, sender.address):
            lost.append(sender.name)

    assert lost == []


def test_no_encoded_word_is_longer_than_readers_know() -> None:
    for text in subjects():
        words = raw(letter(subject=text), "Subject").split()
        assert [word for word in words if word.startswith("=?") and len(word) > 75] == []


@given(st.lists(st.text('aüж日👍 =?_"\\(),.:;<>@', min_size=1, max_size=90), max_size=12))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_as_it_was_written(words: list[str]) -> None:
    text = " ".join(" ".join(words).split())

    sent = letter(sender=Sender(text, "no-reply@example.org"), subject=text)

    assert decoded(raw(sent, "Subject")) == text
    assert read_sender(sent) == (text, "no-reply@example.org")


@pytest.mark.parametrize(
    "hostile",
    [
        "ada@example.com\r\nBcc: eve@example.org",
        "ada@example.com\nBcc: eve@example.org",
        "ada\r\nBcc: eve@example.org\r\n@example.com",
        "ada@example.com, eve@example.org",
        "ada@example.com> SIZE=1",
        "<ada@example.com>",
        "Ada <ada@example.com>",
        '"ada\r\n"@example.com',
        '"quoted"@example.com',
        "a[b]@example.com",
        "a(b)@example.com",
        "a:b@example.com",
        "ada..bob@example.com",
        ".ada@example.com",
        "ada.@example.com",
        "ada\u3000bob@example.com",
        "ada@example.com\uff0ceve@example.org",
        "ada\uff20eve@example.org",
        "ada@exa mple.com",
        "ada @example.com",
        "ada\x00@example.com",
        "ada\x7f@example.com",
        "ada\u202e@example.com",
        "ada\u200f@example.com",
        "ada\u2028@example.com",
        "ada\ufeff@example.com",
        "ada\udc80@example.com",
        "ada@",
        "@example.com",
        "ada",
        "",
        "ada@.com",
        "ada@-example.com",
        "ada@exa_mple.com\r\n",
        f"{'a' * 65}@example.com",
        f"ada@{'a' * 64}.com",
        f"ada@{'a.' * 130}com",
    ],
)
def test_an_address_that_could_be_more_than_one_is_refused(hostile: str) -> None:
    with pytest.raises(GiveUp) as refused:
        letter(hostile)

    assert "eve" not in refused.value.reason
    assert "ada" not in refused.value.reason


@pytest.mark.parametrize(
    ("typed", "wire"),
    [
        ("Ada.Lovelace+keyfob@Example.COM", "Ada.Lovelace+keyfob@example.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        (" ada@example.com ", "ada@example.com"),
        ("\uff21da@ex\uff41mple.com", "Ada@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@почта.рф", "ada@xn--80a1acny.xn--p1ai"),
        ("!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"),
    ],
)
def test_an_address_as_typed_and_as_sent(typed: str, wire: str) -> None:
    sent = letter(typed)

    assert sent.to == wire
    assert f"To: {wire}" in headers(sent)


@pytest.mark.parametrize(
    ("setting", "name", "address"),
    [
        ("Keyfob <no-reply@example.org>", "Keyfob", "no-reply@example.org"),
        ("no-reply@example.org", "", "no-reply@example.org"),
        ('"Ada, Bob & Co." <no-reply@example.org>', "Ada, Bob & Co.", "no-reply@example.org"),
        ('OOO "Horns" <no-reply@example.org>', 'OOO "Horns"', "no-reply@example.org"),
        (r'"OOO \"Horns\"" <no-reply@example.org>', 'OOO "Horns"', "no-reply@example.org"),
        (r'"Ada \\ Bob" <no-reply@example.org>', r"Ada \ Bob", "no-reply@example.org"),
        ('"Ada" & "Bob" <no-reply@example.org>', '"Ada" & "Bob"', "no-reply@example.org"),
        ("Почта <no-reply@почта.рф>", "Почта", "no-reply@xn--80a1acny.xn--p1ai"),
        ("Keyfob <keyfob@localhost>", "Keyfob", "keyfob@localhost"),
    ],
)
def test_the_forms_of_a_sender(setting: str, name: str, address: str) -> None:
    sender = Sender.parse(setting)
    written = parsed(letter(sender=sender))["From"].addresses[0]

    assert (sender.name, sender.address) == (name, address)
    assert (written.display_name, written.addr_spec) == (name, address)


@pytest.mark.parametrize("name", ['Eve" <eve@example.org>, "', "a\\", "Ünï <x>", "a" * 300])
def test_a_sender_s_name_is_quoted(name: str) -> None:
    sent = letter(sender=Sender(name, "no-reply@example.org"))

    assert len(parsed(sent)["From"].addresses) == 1
    assert read_sender(sent) == (name, "no-reply@example.org")


@pytest.mark.no_cover  # a sweep over what other tests cover
@given(
    to=st.one_of(
        st.text(max_size=60),
        st.builds("{}@{}".format, st.text(min_size=1, max_size=30), st.text(max_size=30)),
        st.builds("{}@example.com".format, st.text(min_size=1, max_size=30)),
    ),
    name=st.text(max_size=60),
)
@settings(max_examples=250, deadline=None)
def test_whatever_is_typed_there_is_one_recipient_and_no_header_more(to: str, name: str) -> None:
    names = [line.partition(":")[0] for line in headers(letter()) if not line.startswith(" ")]
    try:
        sent = letter(to, Sender(_one_line(name), "no-reply@example.org"))
    except GiveUp:
        return
    head = sent.content.partition(b"\r\n\r\n")[0].decode()
    lines = [line for line in head.split("\r\n") if not line.startswith((" ", "\t"))]

    assert [line.partition(":")[0] for line in lines] == names
    (recipient,) = parsed(sent)["To"].addresses
    as_bytes = recipient.addr_spec.encode("ascii", "surrogateescape")  # RFC 6532: headers in UTF-8
    assert as_bytes.decode() == sent.to
    (sender,) = parsed(sent)["From"].addresses
    assert sender.addr_spec == "no-reply@example.org"


def _one_line(name: str) -> str:
    """Leave out texts that the setting of the sender refuses."""
    return "".join(char for char in name if char.isprintable())


def test_a_local_part_beyond_ascii_says_what_it_needs() -> None:
    assert letter("ада@example.com").needs_smtputf8
    assert not letter("ada@bücher.example").needs_smtputf8
