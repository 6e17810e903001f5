"""Mail as the settings ask for it."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock

from keyfob.mail.folder import MailFolder
from keyfob.mail.room import build_delivery
from keyfob.mail.smtp import SmtpCarrier
from keyfob.settings import Settings, WrongSetting


def with_settings(settings: Settings, clock: MovableClock, **changes: object) -> object:
    return build_delivery(settings.model_copy(update=changes), clock).carrier


def test_without_a_server_mails_are_kept(settings: Settings, clock: MovableClock) -> None:
    assert isinstance(with_settings(settings, clock), MailFolder)


def test_with_a_server_they_are_sent(settings: Settings, clock: MovableClock) -> None:
    carrier = with_settings(settings, clock, smtp_url=SecretStr("smtp://u:hunter2@mail.test"))

    assert isinstance(carrier, SmtpCarrier)
    assert (carrier.server.host, carrier.server.password) == ("mail.test", "hunter2")
    assert "hunter2" not in repr(vars(carrier))


@pytest.mark.parametrize("url", [None, "smtps://mail.test", "smtps://u:p@mail.test"])
def test_a_token_without_its_user_or_beside_a_password_stops_the_start(
    settings: Settings, clock: MovableClock, url: str | None
) -> None:
    smtp_url = url and SecretStr(url)
    with pytest.raises(WrongSetting, match="KEYFOB_SMTP_TOKEN_FILE: goes with a user and no pass"):
        with_settings(settings, clock, smtp_url=smtp_url, smtp_token_file=Path("token"))


@pytest.mark.parametrize(
    "sender", ["почта@example.org", "Keyfob <почта@example.org>", "a,b@example.org", "a@exa_mple"]
)
def test_a_sender_that_cannot_be_written_stops_the_start(
    settings: Settings, clock: MovableClock, sender: str
) -> None:
    with pytest.raises(WrongSetting, match="KEYFOB_MAIL_FROM: cannot be used"):
        with_settings(settings, clock, mail_from=sender)


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("https://login.example.com/auth", "login.example.com"),
        ("http://localhost:8000/auth", "localhost"),
        ("http://192.0.2.7:8000", "[192.0.2.7]"),
        ("https://[2001:db8::7]/auth", "[IPv6:2001:db8::7]"),
    ],
)
def test_what_we_call_ourselves(
    settings: Settings, clock: MovableClock, base: str, name: str
) -> None:
    smtp_url = SecretStr("smtp://mail.test")
    carrier = with_settings(settings, clock, smtp_url=smtp_url, public_url=base)

    assert isinstance(carrier, SmtpCarrier)
    assert carrier.name == name
