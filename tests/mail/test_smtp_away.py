"""A mail server that is silent, slow, cut off or busy: each attempt ends in time."""

import asyncio
import time
from typing import Any

import pytest
from tests.fixtures.mailbox import Mailbox, bound_socket, serving
from tests.mail.carrying import (
    Refusing,
    carrier,
    dropping_at,
    letter,
    refusal,
    rude,
)

from keyfob.mail.smtp import Answering
from keyfob.outbox.errors import GiveUp, TryAgain


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


async def test_a_silence_after_the_sender_was_taken_is_one_mail_s_matter() -> None:
    async def refused_at(command: bytes) -> tuple[bool, bool]:
        async with rude(silent_at(command)) as url:
            refused = await refusal(url, timeout=2.0, answering=Answering(2.0, 2.0))
        return refused.for_all, refused.slow

    commands = (b"EHLO", b"MAIL", b"RCPT", b"DATA")
    refusals = await asyncio.gather(*(refused_at(command) for command in commands))

    assert refusals == [(True, False), (True, False), (False, True), (False, True)]


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
    """The time-out covers all steps: one per step would let a server delay us for minutes."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while await reader.readline():
            await asyncio.sleep(1.4)
            writer.write(b"250 well\r\n")

    async with rude(speak) as url:
        refused = await refusal(url, timeout=2.6)

    assert refused.reason == "MAIL FROM: the mail server took too long"


async def test_the_last_answer_may_take_longer() -> None:
    """RFC 5321 section 4.5.3.2.6: to hang up then is how one mail becomes two."""

    class Slow(Mailbox):
        async def handle_DATA(self, *told: Any) -> str:  # noqa: N802 - aiosmtpd's name
            await asyncio.sleep(1.6)
            return await super().handle_DATA(*told)

    box = Slow()
    async with serving(box) as port:
        await carrier(f"smtp://127.0.0.1:{port}", timeout=1.5).carry(letter())

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
    """After the OK the server has the mail, whatever follows."""
    async with rude(lambda reader, writer: talk(reader, writer, b"250 taken\r\n")) as url:
        await carrier(url).carry(letter())
