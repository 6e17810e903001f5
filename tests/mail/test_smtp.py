"""Handing a mail to a server that does its work, or something else."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from tests.fixtures.certificates import Certificate, make_certificate
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.mailbox import Mailbox, bound_socket, serving
from tests.fixtures.world import World

from keyfob.core.secrets import new_id
from keyfob.mail.message import Letter, Sender, compose
from keyfob.mail.server import Server
from keyfob.mail.smtp import Answering, SmtpCarrier
from keyfob.mail.writing import Written
from keyfob.outbox.errors import GiveUp, TryAgain
from keyfob.settings import Settings

SENDER = Sender.parse("Keyfob <no-reply@example.org>")
WRITTEN = Written("Hello", "Hello Ada\n", "<p>Hello Ada</p>\n", None)
USER, PASSWORD = "mailer@example.org", "p@ss:w/rd%"


def letter(to: str = "ada@example.com") -> Letter:
    return compose(new_id(START), START, SENDER, to, "en", WRITTEN)


def carrier(url: str, timeout: float = 20.0, **options: Any) -> SmtpCarrier:
    return SmtpCarrier(Server.of_url(url), timeout=timeout, name="keyfob.test", **options)


async def refusal(url: str, to: str = "ada@example.com", **options: Any) -> TryAgain:
    with pytest.raises(TryAgain) as raised:
        await carrier(url, **options).carry(letter(to))
    return raised.value


@asynccontextmanager
async def rude(speak: Any) -> AsyncIterator[str]:
    """Run a server that says what a test wants; give its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await speak(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, sock=bound_socket())
    try:
        yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """The certificate, which this process trusts as it trusts the system's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    return certificate


class Gate:
    """Lets in who knows the password, and remembers what was tried."""

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


class Refusing:
    """Says what it was told at one point of the talk."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _: Any, __: Session, envelope: Envelope, address: str, ___: Any
    ) -> str:
        envelope.mail_from = address
        return self.answers.get("mail", "250 well")

    async def handle_RCPT(  # noqa: N802 - likewise
        self, _: Any, __: Session, envelope: Envelope, address: str, ___: Any
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.answers.get("rcpt", "250 well")

    async def handle_DATA(self, *_: Any) -> str:  # noqa: N802 - likewise
        return self.answers.get("data", "250 well")


@pytest.mark.parametrize("at", ["rcpt", "data"])
async def test_what_is_refused_for_good_is_given_up(at: str) -> None:
    said = "550 5.1.1 <ada@example.com>: no such user; ask root@mx.example.com"
    async with serving(Refusing(**{at: said})) as port:
        with pytest.raises(GiveUp) as raised:
            await carrier(f"smtp://127.0.0.1:{port}").carry(letter())

    assert raised.value.reason == "550 5.1.1 <(address)>: no such user; ask (address)"


@pytest.mark.parametrize("at", ["rcpt", "data"])
async def test_what_is_refused_for_now_is_tried_again(at: str) -> None:
    async with serving(Refusing(**{at: "451 4.7.1 come back later"})) as port:
        refused = await refusal(f"smtp://127.0.0.1:{port}")

    assert (refused.reason, refused.for_all) == ("451 4.7.1 come back later", False)


@pytest.mark.parametrize("said", ["421 4.3.2 shutting down", "550 5.7.1 not from you"])
async def test_what_is_held_against_the_sender_stops_all(said: str) -> None:
    async with serving(Refusing(mail=said)) as port:
        refused = await refusal(f"smtp://127.0.0.1:{port}")

    assert (refused.reason, refused.for_all) == (f"MAIL FROM: {said}", True)


@pytest.mark.parametrize("at", ["rcpt", "data"])
async def test_a_recipient_s_server_that_is_closing_stops_no_other_mail(at: str) -> None:
    """Threat: a relay that hands on what it is told would else be taken for down itself."""
    async with serving(Refusing(**{at: "421 4.7.0 too many errors"})) as port:
        refused = await refusal(f"smtp://127.0.0.1:{port}")

    assert (refused.reason, refused.for_all) == ("421 4.7.0 too many errors", False)


@pytest.mark.parametrize("said", ["451 4.3.0 later", "555 5.5.4 SMTPUTF8 not here"])
async def test_a_form_that_one_address_needs_stops_no_other_mail(said: str) -> None:
    async with serving(Refusing(mail=said)) as port:
        refused = await refusal(f"smtp://127.0.0.1:{port}", to="ада@example.com")

    assert (refused.reason, refused.for_all) == (said, False)


def dropping_at(command: bytes, said: bytes = b"") -> Any:
    """Speak as a server that says something at a command, or nothing, and hangs up."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while line := await reader.readline():
            if line.upper().startswith(command):
                writer.write(said)
                await writer.drain()
                return
            writer.write(b"250 well\r\n")

    return speak


@pytest.mark.parametrize(
    ("command", "for_all"), [(b"EHLO", True), (b"MAIL", True), (b"RCPT", False), (b"DATA", False)]
)
async def test_a_connection_cut_before_the_sender_is_taken_stops_all(
    command: bytes, for_all: bool
) -> None:
    async with rude(dropping_at(command)) as url:
        assert (await refusal(url)).for_all is for_all


def silent_at(command: bytes) -> Any:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while line := await reader.readline():
            if line.upper().startswith(command):
                await reader.read()
            writer.write(b"250 well\r\n")

    return speak


@pytest.mark.parametrize(
    ("command", "for_all"), [(b"EHLO", True), (b"MAIL", True), (b"RCPT", False), (b"DATA", False)]
)
async def test_a_silence_after_the_sender_was_taken_is_one_mail_s_matter(
    command: bytes, for_all: bool
) -> None:
    async with rude(silent_at(command)) as url:
        refused = await refusal(url, timeout=1.0, answering=Answering(1.0, 1.0))

    assert (refused.for_all, refused.slow) == (for_all, not for_all)


async def test_a_server_that_says_too_much_is_cut_short() -> None:
    async with serving(Refusing(data=f"550 {'no ' * 150}")) as port:
        with pytest.raises(GiveUp) as raised:
            await carrier(f"smtp://127.0.0.1:{port}").carry(letter())

    assert len(raised.value.reason) == 300


async def test_nobody_is_there() -> None:
    with bound_socket() as bound:
        refused = await refusal(f"smtp://127.0.0.1:{bound.getsockname()[1]}")

    assert refused.for_all
    assert "Error connecting" in refused.reason


async def test_a_server_that_is_busy_from_the_start() -> None:
    async def speak(_: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"554 5.3.2 not today\r\n")
        await writer.drain()

    async with rude(speak) as url:
        refused = await refusal(url)

    assert (refused.reason, refused.for_all) == ("554 5.3.2 not today", True)


async def test_a_server_that_talks_no_smtp() -> None:
    async def speak(_: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with rude(speak) as url:
        assert (await refusal(url)).for_all


async def test_a_server_that_says_nothing_is_left_in_time() -> None:
    async def speak(reader: asyncio.StreamReader, _: Any) -> None:
        await reader.read()

    began = time.monotonic()
    async with rude(speak) as url:
        refused = await refusal(url, timeout=0.2)

    assert (refused.reason, refused.for_all) == ("the mail server took too long", True)
    assert time.monotonic() - began < 10


async def test_a_server_that_drips_is_left_in_time() -> None:
    """The time-out is for all of it: one a step would let a server hold us for minutes."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while await reader.readline():
            await asyncio.sleep(0.3)
            writer.write(b"250 well\r\n")

    async with rude(speak) as url:
        refused = await refusal(url, timeout=0.5)

    assert refused.reason == "MAIL FROM: the mail server took too long"


async def test_the_last_answer_may_take_longer() -> None:
    """RFC 5321 section 4.5.3.2.6: to hang up then is how one mail becomes two."""

    class Slow(Mailbox):
        async def handle_DATA(self, *told: Any) -> str:  # noqa: N802 - aiosmtpd's name
            await asyncio.sleep(1.0)
            return await super().handle_DATA(*told)

    box = Slow()
    async with serving(box) as port:
        await carrier(f"smtp://127.0.0.1:{port}", timeout=0.6).carry(letter())

    assert len(box.mails) == 1


@pytest.mark.parametrize("patient", [False, True])
async def test_the_last_answer_does_not_take_for_ever(patient: bool) -> None:
    class Stuck(Refusing):
        async def handle_DATA(self, *_: Any) -> str:  # noqa: N802 - aiosmtpd's name
            await asyncio.Event().wait()
            return ""

    answering = Answering(0.2, 60.0) if not patient else Answering(60.0, 0.2)
    async with serving(Stuck()) as port:
        url = f"smtp://127.0.0.1:{port}"
        with pytest.raises(TryAgain) as raised:
            await carrier(url, answering=answering).carry(letter(), patient=patient)

    refused = raised.value
    assert (refused.for_all, refused.slow) == (False, True)
    assert refused.reason == "the mail server took too long"


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, last: bytes) -> None:
    """Take one mail, and answer it with `last`."""
    writer.write(b"220 hello\r\n")
    for answer in (b"250 well\r\n", b"250 well\r\n", b"250 well\r\n", b"354 go on\r\n"):
        await reader.readline()
        writer.write(answer)
    while await reader.readline() != b".\r\n":
        pass
    writer.write(last)
    await writer.drain()


async def test_a_connection_cut_after_the_mail_was_given() -> None:
    async with rude(lambda reader, writer: talk(reader, writer, b"")) as url:
        refused = await refusal(url)

    assert not refused.for_all  # a server that is gone is found out by the next mail


async def test_a_connection_cut_after_the_mail_was_taken() -> None:
    """Whatever comes after the OK, the mail is theirs."""
    async with rude(lambda reader, writer: talk(reader, writer, b"250 taken\r\n")) as url:
        await carrier(url).carry(letter())


async def test_a_domain_beyond_ascii_goes_in_its_ascii_form() -> None:
    box = Mailbox()
    async with serving(box) as port:
        await carrier(f"smtp://127.0.0.1:{port}").carry(letter("ada@bücher.example"))

    assert [mail.to for mail in box.mails] == ["ada@xn--bcher-kva.example"]
    assert box.mails[0].message["To"] == "ada@xn--bcher-kva.example"


async def test_a_local_part_beyond_ascii_needs_a_server_that_speaks_smtputf8() -> None:
    box = Mailbox()
    async with serving(box) as port:
        await carrier(f"smtp://127.0.0.1:{port}").carry(letter("ада@example.com"))
    assert [mail.to for mail in box.mails] == ["ада@example.com"]

    async with serving(box, enable_SMTPUTF8=False) as port:
        with pytest.raises(GiveUp, match="does not speak SMTPUTF8"):
            await carrier(f"smtp://127.0.0.1:{port}").carry(letter("ада@example.com"))
    assert len(box.mails) == 1


async def test_lines_that_begin_with_a_dot_arrive() -> None:
    box = Mailbox()
    dotted = Written("Dots", ".\n..\n.three\n", "<p>.</p>\n", None)
    async with serving(box) as port:
        await carrier(f"smtp://127.0.0.1:{port}").carry(
            compose(new_id(START), START, SENDER, "ada@example.com", "en", dotted)
        )

    assert box.mails[0].text == dotted.text


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
    """A server that takes nobody's mail unsigned, one without TLS, and a wrong password."""
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
    assert (late.value.reason, late.value.for_all) == ("AUTH: 535 5.7.8 not accepted", True)


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


async def test_a_mail_goes_out_from_a_host_in_another_alphabet(
    mailbox: Mailbox, settings: Settings, clock: MovableClock
) -> None:
    """What is said in EHLO is ASCII (RFC 5321 section 4.1.1.1), and so is the link's host."""
    told = settings.model_copy(update={"public_url": "https://вход.example/auth"})
    async with World(told, clock) as world:
        await world.make_user()
        await world.api.post("/recover/request", json={"email": "ada@example.com"})
        mail = await mailbox.next(to="ada@example.com")

    assert "https://xn--b1ae3a1a.example/auth/ui/recover" in mail.text
