# ruff: noqa: RUF001 - letters that look alike are what this file is about
"""E-mail addresses: which texts are addresses, and which of them are the same."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from keyfob.accounts.email import Email, EmailIn
from keyfob.mail.message import plain_address


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.Lovelace+news@Example.COM", "ada.lovelace+news@example.com"),
        ("  ada@example.com  ", "ada@example.com"),
        ("o'neill_7-x@sub.example.co.uk", "o'neill_7-x@sub.example.co.uk"),
        ("ada@bücher.example.com", "ada@xn--bcher-kva.example.com"),
        ("ada@BÜCHER.example.com", "ada@xn--bcher-kva.example.com"),
        ("ada@bu\u0308cher.example.com", "ada@xn--bcher-kva.example.com"),
        ("ada@xn--bcher-kva.example.com", "ada@xn--bcher-kva.example.com"),
        ("ada@straße.example.com", "ada@xn--strae-oqa.example.com"),
        ("ada@почта.рф", "ada@xn--80a1acny.xn--p1ai"),
        ("info@москва.рф", "info@xn--80adxhks.xn--p1ai"),
        ("info@xn--80adxhks.xn--p1ai", "info@xn--80adxhks.xn--p1ai"),
        ("ada@аррӏе.рф", "ada@xn--80ak6aa92e.xn--p1ai"),
        ("ada@例え.jp", "ada@xn--r8jz45g.jp"),
        ("ada@ışık.com.tr", "ada@xn--k-ekaa7p.com.tr"),
        ("ＡＤＡ@example.com", "ada@example.com"),
        ("ada@example｡com", "ada@example.com"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_an_address_has_one_normal_form_and_is_shown_as_typed(text: str, normal: str) -> None:
    email = Email.parse(text)

    assert (email.typed, email.normal) == (text.strip(), normal)
    assert email.why_not_new() is None
    assert not email.is_local


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@@example.com",
        "ada@exa mple.com",
        "a da@example.com",
        ".ada@example.com",
        "ada.@example.com",
        "a..da@example.com",
        "ada@-example.com",
        "ada@example-.com",
        "ada@exam_ple.com",
        "ada@xn--a.com",
        "ada@xn--.com",
        "ada@127.0.0.1",
        "ada@[::1]",
        "ada@" + "a" * 64 + ".com",
        "ada@" + "a." * 125 + "com",
        "ada@example.com" + " " * 250,
        "ådа@example.com",
        "jürgen@example.com",
        "maß@example.com",
        "ı@example.com",
        "İ@example.com",
        "ada\x00@example.com",
        "ada@example.com\r\nBcc: root@example.com",
        "ada@exam\u200dple.com",
        "ada@example.com\ufeff",
        "\ud800@example.com",
        "ada@\udfff.com",
        5,
        None,
        ["ada@example.com"],
        b"ada@example.com",
    ],
)
def test_what_is_none_or_pretends_is_refused_without_repeating_it(text: object) -> None:
    with pytest.raises(ValueError, match="should") as refusal:
        Email.parse(text)

    assert str(text) not in str(refusal.value) or not text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ada@раураl.com", "imitate"),
        ("ada@gοοgle.com", "imitate"),
        ("ada@gοοgle.рф", "imitate"),
        ("ada@օօօ.com", "imitate"),
        ("ada@ԁгореһ.com", "imitate"),
        ("ada@ıɪ.com", "imitate"),
        ("info@москва.com", "imitate"),
        ("ada@οοο.рф", "imitate"),
        ("ada@xn--80ak6aa92e.com", "imitate"),  # the same in ASCII
        ("a" * 65 + "@example.com", "at most 64"),
    ],
)
def test_what_no_account_is_to_get_is_still_an_address(text: str, reason: str) -> None:
    """An account that has one, from an older release or an import, can sign in."""
    assert reason in str(Email.parse(text).why_not_new())


@pytest.mark.parametrize(
    "domain", ["localhost", "keyfob.test", "printer.local", "a.b.LOCAL", "x.localhost"]
)
def test_a_local_domain_is_known_as_one(domain: str) -> None:
    assert Email.parse(f"ada@{domain}").is_local


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_comes_is_parsed_or_refused_and_parsing_is_idempotent(
    local: str, domain: str
) -> None:
    try:
        email = Email.parse(f"{local}@{domain}.com")
    except ValueError:
        return
    again = Email.parse(email.normal)
    assert again.normal == email.normal
    assert email.normal.isascii()
    assert email.normal == email.normal.lower()
    assert email.typed.isprintable()


@given(st.from_regex(r"[A-Za-z0-9ΑΣσςßẞÄäЖж\u0130ıﬁ]{1,6}(-[ΑΣσςßÉж]{1,4})?", fullmatch=True))
@example("ΚΌΣΜΟΣ-ΝΈΑ")
def test_a_mail_goes_to_the_domain_that_is_the_identity(label: str) -> None:
    try:
        email = Email.parse(f"anna@{label}.com")
    except ValueError:
        return

    assert plain_address(email.typed).rpartition("@")[2] == email.normal.rpartition("@")[2]


def test_a_parsed_one_is_taken_as_it_is() -> None:
    email = Email.parse("ada@example.com")

    assert Email.parse(email) is email


def test_in_a_body_it_is_a_text_of_format_email() -> None:
    adapter = TypeAdapter(EmailIn)

    assert adapter.json_schema()["format"] == "email"
    assert adapter.validate_python("Ada@example.com").normal == "ada@example.com"
    with pytest.raises(ValidationError, match="should be an e-mail address"):
        adapter.validate_python("nobody")
