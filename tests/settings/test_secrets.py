"""No value of a secret setting is ever printed, however it is mistyped (issue 10: 1.4)."""

import itertools

import pytest
from tests.settings.conftest import Refusal

from keyfob.settings import secret_fields, variable_of

TAIL = "TopSecretTail"
URLS = {
    "database_url": ("postgresql", "h/kf"),
    "database_direct_url": ("postgres", "h/kf"),
    "smtp_url": ("smtp", "h:25"),
    "limit_store": ("redis", "h/0"),
}
# Passwords whose characters end the part of the URL that they stand in.
UNQUOTED = [f"98{mark}{TAIL}" for mark in ("?", "/", "#", "@", "?a=", "/?a=", " ", "\t", "[")]


@pytest.mark.parametrize("password", UNQUOTED, ids=repr)
@pytest.mark.parametrize("field", URLS)
def test_a_password_that_is_not_percent_encoded_is_refused_unread(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal, field: str, password: str
) -> None:
    scheme, rest = URLS[field]
    monkeypatch.setenv(variable_of(field), f"{scheme}://kf:{password}@{rest}")

    message = refusal()

    assert message.startswith(f"{variable_of(field)}: should ")
    assert TAIL not in message


@pytest.mark.no_cover  # hundreds of runs of what others cover: tracing each doubles it
def test_every_secret_is_silent_whatever_stands_in_it(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal
) -> None:
    pieces = (
        "",
        ",",
        "://",
        "postgresql://",
        "redis://x:",
        "smtp://",
        "@",
        "?",
        "[",
        "%",
        "é\u212a",
    )
    for field, before, after in itertools.product(secret_fields(), pieces, pieces):
        monkeypatch.setenv(variable_of(field), f"{before}{TAIL}{after}")
        assert TAIL not in refusal(), (field, before, after)
        monkeypatch.delenv(variable_of(field))


@pytest.mark.parametrize("field", ["issuer", "public_url", "breached_passwords_url"])
def test_an_address_that_is_shown_holds_no_password(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal, field: str
) -> None:
    monkeypatch.setenv(variable_of(field), f"https://me:{TAIL}@login.example.com/auth")

    message = refusal()

    assert message == f"{variable_of(field)}: should have no user and no password in it"


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/urandom"])
def test_a_secret_is_not_read_from_what_has_no_end(
    monkeypatch: pytest.MonkeyPatch, refusal: Refusal, path: str
) -> None:
    monkeypatch.setenv("KEYFOB_SECRET_KEY_FILE", path)

    assert refusal() == f"KEYFOB_SECRET_KEY_FILE: {path} cannot be read: File too large"
