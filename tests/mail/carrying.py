"""A letter, what carries it, and servers that do it wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiosmtpd.smtp import Envelope, Session
from tests.fixtures.clock import START
from tests.fixtures.mailbox import bound_socket

from keyfob.core.secrets import new_id
from keyfob.mail.message import Letter, Sender, compose
from keyfob.mail.models import Recipient
from keyfob.mail.server import Server
from keyfob.mail.smtp import SmtpCarrier
from keyfob.mail.writing import Written
from keyfob.outbox.errors import TryAgain

SENDER = Sender.parse("Keyfob <no-reply@example.org>")
WRITTEN = Written("Hello", "Hello Ada\n", "<p>Hello Ada</p>\n", None)


def letter(to: str = "ada@example.com") -> Letter:
    return compose(new_id(START), START, SENDER, Recipient(to), WRITTEN)


def carrier(url: str, timeout: float = 20.0, **options: Any) -> SmtpCarrier:
    return SmtpCarrier(Server.of_url(url), timeout=timeout, name="keyfob.test", **options)


async def refusal(url: str, to: str = "ada@example.com", **options: Any) -> TryAgain:
    with pytest.raises(TryAgain) as raised:
        await carrier(url, **options).carry(letter(to))
    return raised.value


@asynccontextmanager
async def rude(speak: Any) -> AsyncIterator[str]:
    """Run a server with the answers of a test; yields its URL."""

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


class Refusing:
    """Gives a prepared answer at one step of the dialogue."""

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
