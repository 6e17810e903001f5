"""Clients that leave too early, guess and send nonsense: what leaks, leaks with them."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from bench.harness.load import request

from drills.harness.ledger import PASSWORD
from drills.harness.wire import HOST

_PAUSE = 0.1

_GUESS = {"email": "nobody@example.com", "password": PASSWORD[::-1]}

# What is sent, and whether the client waits for the answer.
_DEEDS: tuple[tuple[bytes, bool], ...] = (
    (request("POST", "/login", body=_GUESS), True),
    (request("POST", "/login", body=_GUESS), False),
    (request("POST", "/login", body=_GUESS)[:-9], False),
    (request("POST", "/refresh", body={"token": "kfr_" + "A" * 96}), True),
    (request("GET", "/me", token="no.token.atall"), True),
    (request("POST", "/register", body={"email": 7}), True),
    (b"GARBAGE\r\n\r\n", True),
    (b"", False),
)


@dataclass
class Rudeness:
    """The number of rude actions."""

    count: int = 0


@asynccontextmanager
async def rude(port: int) -> AsyncIterator[Rudeness]:
    """Be rude in every way, one after the other, each time on a connection of its own."""
    rudeness = Rudeness()

    async def loop() -> None:
        for sent, waits in itertools.cycle(_DEEDS):
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(HOST, port)
                writer.write(sent)
                if waits:
                    await asyncio.wait_for(reader.read(1024), 5)
                writer.close()
            rudeness.count += 1
            await asyncio.sleep(_PAUSE)

    task = asyncio.create_task(loop())
    try:
        yield rudeness
    finally:
        if task.done():
            task.result()  # it only ends by a fault of ours
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
