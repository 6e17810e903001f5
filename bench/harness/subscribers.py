"""Subscribers of the revocation feed, in a process of their own. One of them sleeps.

Their process has a low priority: it would take the cores from the server, which subscribers do not
share.
"""

import asyncio
import contextlib
import multiprocessing
import os
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import cast

import uvloop

from bench.harness import servers
from bench.harness.load import request

_PATIENCE = 60.0  # seconds
_OPENED_AT_ONCE = 20
_NICE = 10


@dataclass(frozen=True)
class Subscribers:
    """The process that holds the streams."""

    pipe: Pipe

    def hold(self, count: int) -> Counter[int]:
        """Close all streams, and ask for so many; return how often each status was the answer."""
        statuses: Counter[int] = self._ask(count)
        return statuses

    @property
    def still_open(self) -> int:
        """The number of streams that have not ended."""
        count: int = self._ask(None)
        return count

    def _ask(self, count: int | None) -> Counter[int] | int:
        self.pipe.send(count)
        if not self.pipe.poll(_PATIENCE):
            raise TimeoutError("the subscribers do not answer")
        answer: Counter[int] | int = self.pipe.recv()
        return answer


@contextlib.contextmanager
def subscribers(port: int, tokens: Sequence[str]) -> Iterator[Subscribers]:
    """Start the process; each token is for the same share of the streams. End it at the end."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(theirs, port, tokens), daemon=True
    )
    process.start()
    try:
        yield Subscribers(ours)
    finally:
        process.terminate()
        process.join(10)


class _Reader(asyncio.Protocol):
    """Reads a stream and throws away what it reads, or sleeps after the first event."""

    def __init__(self, wire: bytes, *, sleeps: bool) -> None:
        self._wire = wire
        self._sleeps = sleeps
        self._seen = b""
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.is_open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._wire)

    def data_received(self, data: bytes) -> None:
        if self.status.done():
            return
        self._seen += data
        status = int(self._seen[9:12]) if b"\r\n\r\n" in self._seen else 0
        if status != 200 or b"\nid: " in self._seen:
            self.status.set_result(status)
            self._seen = b""
            if self._sleeps:
                given: socket.socket = self.transport.get_extra_info("socket")
                given.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                self.transport.pause_reading()

    def connection_lost(self, _: Exception | None) -> None:
        self.is_open = False
        if not self.status.done():
            self.status.set_result(0)


def _serve(pipe: Pipe, port: int, tokens: Sequence[str]) -> None:
    os.nice(_NICE)
    uvloop.run(_follow(pipe, port, tokens))


async def _follow(pipe: Pipe, port: int, tokens: Sequence[str]) -> None:
    """Do what is asked, one thing after the other, until the process is ended."""
    readers: list[_Reader] = []
    while True:
        count = await asyncio.to_thread(pipe.recv)
        if count is None:
            pipe.send(sum(reader.is_open for reader in readers))
            continue
        for reader in readers:
            reader.transport.abort()
        readers = await _open(port, tokens, count)
        statuses = Counter([reader.status.result() for reader in readers])
        readers = [reader for reader in readers if reader.status.result() == 200]
        pipe.send(statuses)


async def _open(port: int, tokens: Sequence[str], count: int) -> list[_Reader]:
    places = asyncio.Semaphore(_OPENED_AT_ONCE)
    loop = asyncio.get_running_loop()

    async def one(number: int) -> _Reader:
        wire = request("GET", "/revocations/stream", token=tokens[number % len(tokens)])
        async with places:
            _transport, reader = await loop.create_connection(
                lambda: _Reader(wire, sleeps=number == 0), servers.HOST, port
            )
            await reader.status
            return reader

    return list(await asyncio.gather(*map(one, range(count))))
