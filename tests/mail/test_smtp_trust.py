"""Trust in mail servers: TLS, passwords, tokens, and hostile greetings."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from tests.fixtures.certificates import Certificate, make_certificate
from tests.fixtures.mailbox import Mailbox, serving
from tests.mail.carrying import (
    SENDER,
    Refusing,
    carrier,
    dropping_at,
    letter,
    refusal,
    rude,
)

from keyfob.mail.server import Server
from keyfob.mail.smtp import SmtpCarrier
from keyfob.outbox.errors import TryAgain

USER, PASSWORD = "mailer@example.org", "p@ss:w/rd%"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """The certificate, which this process trusts as it trusts the system's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    return certificate


class Gate:
    """Accepts the right password, and records all attempts."""

    def __init__(self) -> None:
        self.tried: list[tuple[bytes, bytes]] = []

    def __call__(self, *asked: Any) -> AuthResult:
        shown = asked[-1]
        assert isinstance(shown, LoginPassword)
        self.tried.append((shown.login, shown.password))
        well = self.tried[-1] == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=well, handled=well)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", Server("mail.example.org", 25, False, False, None, None)),
        ("smtp://m:2525/", Server("m", 2525, False, False, None, None)),
        ("smtp://m?starttls=1", Server("m", 587, False, True, None, None)),
        ("smtp://m:25?starttls=0", Server("m", 25, False, False, None, None)),
        ("smtps://m", Server("m", 465, True, False, None, None)),
        ("smtps://m:4650?starttls=1", Server("m", 4650, True, False, None, None)),
        ("smtps://[2001:db8::1]:465", Server("2001:db8::1", 465, True, False, None, None)),
        ("smtp://a%40b:p%40ss%3Aw%2Frd%25@m", Server("m", 25, False, False, "a@b", PASSWORD)),
        ("smtp://a@m", Server("m", 25, False, False, "a", "")),
    ],
)
def test_the_forms_of_a_url(url: str, server: Server) -> None:
    assert Server.of_url(url) == server
    assert PASSWORD not in repr(Server.of_url(url))


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("smtp://m", False),
        ("smtp://m?starttls=1", True),
        ("smtps://m", True),
        ("smtp://127.0.0.1", True),
    ],
)
def test_a_server_to_which_a_password_may_be_said(url: str, private: bool) -> None:
    assert Server.of_url(url).is_private is private


async def test_starttls_and_a_password(trusted: Certificate) -> None:
    box, gate = Mailbox(), Gate()
    tls = {"tls_context": trusted.server_side, "require_starttls": True}
    async with serving(box, authenticator=gate, auth_required=True, **tls) as port:
        url = f"smtp://mailer%40example.org:p%40ss%3Aw%2Frd%25@localhost:{port}?starttls=1"
        await carrier(url).carry(letter())

    assert gate.tried == [(USER.encode(), PASSWORD.encode())]
    assert [mail.to for mail in box.mails] == ["ada@example.com"]


async def test_tls_from_the_first_byte(trusted: Certificate) -> None:
    box = Mailbox()
    async with serving(box, tls=trusted.server_side) as port:
        await carrier(f"smtps://127.0.0.1:{port}").carry(letter())

    assert [mail.text for mail in box.mails] == ["Hello Ada\n"]


async def test_a_certificate_that_nobody_vouches_for(certificate: Certificate) -> None:
    box, gate = Mailbox(), Gate()
    tls = {"tls_context": certificate.server_side, "require_starttls": True}
    async with serving(box, authenticator=gate, **tls) as port:
        refused = await refusal(f"smtp://u:p@localhost:{port}?starttls=1")

    assert refused.for_all
    assert "certificate verify failed" in refused.reason
    assert (gate.tried, box.mails) == ([], [])


async def test_a_certificate_of_another_host(trusted: Certificate) -> None:
    async with serving(Mailbox(), tls=trusted.server_side) as port:
        refused = await refusal(f"smtps://127.0.0.2:{port}")

    assert refused.for_all


async def test_a_password_is_not_said_where_starttls_is_not_offered() -> None:
    """Threat: somebody on the way takes STARTTLS out of the server's answer."""
    box, gate = Mailbox(), Gate()
    async with serving(box, authenticator=gate, auth_require_tls=False) as port:
        refused = await refusal(f"smtp://u:p@127.0.0.1:{port}?starttls=1")

    assert refused.for_all
    assert "STARTTLS" in refused.reason
    assert (gate.tried, box.mails) == ([], [])


async def test_a_wrong_password_is_no_mail_s_fault(trusted: Certificate) -> None:
    gate = Gate()
    async with serving(
        Mailbox(), authenticator=gate, tls=trusted.server_side, auth_require_tls=False
    ) as port:
        refused = await refusal(f"smtps://mailer%40example.org:wrong@localhost:{port}")

    assert gate.tried
    assert refused.for_all
    assert refused.reason.startswith("AUTH: 535")
    assert "wrong" not in refused.reason


async def test_greeting_tells_whether_mails_would_go() -> None:
    box = Mailbox()
    async with serving(box) as port:
        await carrier(f"smtp://127.0.0.1:{port}").greet(SENDER.address)
    assert box.mails == []

    with pytest.raises(TryAgain, match="Error connecting"):
        await carrier(f"smtp://127.0.0.1:{port}").greet(SENDER.address)


async def greeting(url: str, **options: Any) -> str:
    """Return why no mail would go."""
    with pytest.raises(TryAgain) as raised:
        await carrier(url, **options).greet(SENDER.address)
    return raised.value.reason


async def test_greeting_names_what_fails(trusted: Certificate) -> None:
    """A server that requires a sign-in, one without TLS, and a wrong password."""
    async with serving(Refusing(mail="530 5.7.0 Authentication required")) as port:
        said = await greeting(f"smtp://127.0.0.1:{port}")
        assert said == "MAIL FROM: 530 5.7.0 Authentication required"

        said = await greeting(f"smtp://u:p@127.0.0.1:{port}?starttls=1")
        assert said.startswith("STARTTLS: ")

    tls = {"tls": trusted.server_side, "auth_require_tls": False}
    async with serving(Mailbox(), authenticator=Gate(), **tls) as port:
        said = await greeting(f"smtps://u:wrong@localhost:{port}")
        assert said.startswith("AUTH: 535 ")

    async with rude(dropping_at(b"RSET")) as url:
        assert (await greeting(url)).startswith("MAIL FROM: ")


class TokenGate(Mailbox):
    """Takes one access token, as in XOAUTH2."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token

    async def auth_XOAUTH2(self, server: Any, said: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name
        shown = base64.b64decode(said[1]).decode()
        if shown == f"user={USER}\x01auth=Bearer {self.token}\x01\x01":
            return AuthResult(success=True, handled=True)
        await server.challenge_auth('{"status":"400"}')
        return AuthResult(success=False, handled=False, message="535 5.7.8 not accepted")


async def test_a_token_from_a_file_is_read_anew_for_each_mail(
    trusted: Certificate, tmp_path: Path
) -> None:
    box, file = TokenGate("ya29.first"), tmp_path / "token"
    async with serving(box, tls=trusted.server_side, auth_require_tls=False) as port:
        url = f"smtps://mailer%40example.org@localhost:{port}"
        sending = SmtpCarrier(Server.of_url(url, file), timeout=20, name="keyfob.test")
        for token in ("ya29.first", "ya29.second"):
            box.token = token
            file.write_text(f"{token}\n")
            await sending.carry(letter())
        box.token = "ya29.third"
        with pytest.raises(TryAgain) as late:
            await sending.carry(letter())

    assert len(box.mails) == 2
    assert (late.value.reason, late.value.for_all) == ("AUTH: 535 5.7.8", True)


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        (None, "KEYFOB_SMTP_TOKEN_FILE: cannot be read: No such file or directory"),
        ("\n", "KEYFOB_SMTP_TOKEN_FILE: should hold one token"),
        ("a\nb", "KEYFOB_SMTP_TOKEN_FILE: should hold one token"),
        ("tokén", "KEYFOB_SMTP_TOKEN_FILE: cannot be read: it is no text in ASCII"),
        ("token", "AUTH: the mail server does not offer XOAUTH2"),
    ],
)
async def test_without_a_token_all_mails_wait(
    kept: str | None, reason: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    if kept is not None:
        file.write_text(kept, encoding="utf-8")
    async with serving(Mailbox()) as port:
        server = Server.of_url(f"smtp://u@127.0.0.1:{port}", file)
        with pytest.raises(TryAgain) as waits:
            await SmtpCarrier(server, timeout=20, name="keyfob.test").carry(letter())

    assert (waits.value.reason, waits.value.for_all) == (reason, True)


@pytest.mark.parametrize("kept", [None, "ya29.Token-Of-Ours"])
async def test_what_repeats_our_sign_in_is_told_by_its_code_alone(
    kept: str | None, tmp_path: Path
) -> None:
    async def repeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while line := await reader.readline():
            if line.upper().startswith(b"AUTH"):
                shown = base64.b64decode(line.split()[-1]).replace(b"\0", b" ")
                seen = shown.replace(b"\x01", b" ")
                writer.write(b"535 5.7.8 not %s, %s\r\n" % (line.strip(), seen))
            else:
                writer.write(b"250-well\r\n250 AUTH PLAIN XOAUTH2\r\n")

    file = tmp_path / "token"
    file.write_text(kept or "")
    async with rude(repeat) as url:
        user = "u" if kept else "u:Pass-Of-Ours"
        server = Server.of_url(url.replace("//", f"//{user}@"), file if kept else None)
        with pytest.raises(TryAgain) as refused:
            await SmtpCarrier(server, timeout=20, name="keyfob.test").carry(letter())

    assert refused.value.reason == "AUTH: 535 5.7.8"
