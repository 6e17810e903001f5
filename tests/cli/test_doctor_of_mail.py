"""`keyfob doctor` on mail: its server, its templates, and what it exposes."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from bench.harness.cluster import free_port
from tests.cli.conftest import Run
from tests.cli.reports import unwell


def test_a_template_that_cannot_be_used(
    doctor: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mails of ours" / "ru").mkdir(parents=True)
    template = tmp_path / "mails of ours" / "ru" / "recover.txt"
    monkeypatch.setenv("KEYFOB_MAIL_TEMPLATES", str(tmp_path / "mails of ours"))
    template.write_text("Subject: Hello\n\n{{ nobody }}\n")

    assert unwell(doctor("--json")) == {
        "mail templates": "ru/recover.txt: UndefinedError: 'nobody' is undefined;"
        " ours is used instead"
    }

    template.write_text("Subject: Hello\n\n{{ link }}\n\n{{ token }}\n")
    assert unwell(doctor("--json")) == {}


def test_a_mail_server_that_does_not_answer(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYFOB_SMTP_URL", "smtp://mailer:hunter2@127.0.0.1:1")

    said = doctor("--json")

    found = unwell(said)
    assert found["mail server"].startswith("no mail leaves: Error connecting to 127.0.0.1")
    assert "hunter2" not in said.out + said.err


def test_a_mail_server_that_answers(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Controller(Sink(), hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        monkeypatch.setenv("KEYFOB_SMTP_URL", f"smtp://127.0.0.1:{server.port}")
        (found,) = [one for one in doctor("--json").json if one["part"] == "mail server"]
        assert found["says"] == "takes our sender"
    finally:
        server.stop()


class Guarded(Sink):
    """Accepts no mail before a sign-in."""

    async def handle_MAIL(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
        return "530 5.7.0 Authentication required"


def test_a_mail_server_that_takes_no_sender(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Controller(Guarded(), hostname="127.0.0.1", port=free_port())
    server.start()
    try:
        monkeypatch.setenv("KEYFOB_SMTP_URL", f"smtp://127.0.0.1:{server.port}")
        assert unwell(doctor("--json")) == {
            "mail server": "no mail leaves: MAIL FROM: 530 5.7.0 Authentication required"
        }
    finally:
        server.stop()


def test_links_of_recovery_in_the_log_of_a_service_for_others(
    doctor: Run, keyfob: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYFOB_PUBLIC_URL", "http://[::1]:8000/auth")
    assert unwell(doctor("--json")) == {}

    monkeypatch.setenv("KEYFOB_PUBLIC_URL", "https://login.example.com/auth")
    why = (
        "KEYFOB_SMTP_URL is not set: no mail leaves, and whoever reads the log can follow the links"
        " of recovery in it"
    )
    assert unwell(doctor("--json")) == {"mail server": why}
    assert [line["why"] for line in warned(keyfob, "mail_exposed")] == [why]


def warned(keyfob: Run, event: str) -> list[dict[str, str]]:
    """Return the output of a start, which fails at an address that is not this machine's."""
    said = keyfob("serve", "--host", "203.0.113.1").err.splitlines()
    return [json.loads(line) for line in said if event in line]


@pytest.mark.parametrize("host", ["relay.example.com", "10.0.0.7"])
def test_a_password_that_goes_in_the_clear(
    keyfob: Run, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("KEYFOB_SMTP_URL", f"smtp://mailer:hunter2@{host}")
    (told,) = warned(keyfob, "mail_exposed")
    assert told["why"].startswith("KEYFOB_SMTP_URL: user and password go to the mail server in the")
    assert "hunter2" not in str(told)

    for well in (f"smtp://{host}", f"smtps://u:p@{host}", f"smtp://u:p@{host}?starttls=1"):
        monkeypatch.setenv("KEYFOB_SMTP_URL", well)
        assert warned(keyfob, "mail_exposed") == []
