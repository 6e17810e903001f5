"""Requests that were written beforehand, sent at a rate on kept connections.

For more requests a second than `arrivals` can send from a machine that also serves them: a request
is one `write`, and of its answer only the status and the length are read. Sending has a low
priority: otherwise it would take the cores from the server, which in reality it does not share.
"""

import asyncio
import concurrent.futures
import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop

_TICK = 0.002  # seconds between two looks at the clock
_PATIENCE = 10.0  # seconds that the last answers may take
_NICE = 10


@dataclass
class Poured:
    """The answers to what was sent.

    Args:
        seconds: from the first request to the last one sent.
        statuses: the number of answers by status.
        cut: requests whose connection ended before the answer.
        cpu_seconds: CPU time that sending took.
    """

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    cut: int = 0
    cpu_seconds: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.statuses.values())

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.count / self.seconds


class _Pump:
    """Sends the next request whenever it is due and a connection is idle."""

    def __init__(self, wires: Sequence[bytes], rate: float, seconds: float) -> None:
        self._wires, self._rate, self._seconds = wires, rate, seconds
        self.poured = Poured()
        self.idle: list[asyncio.Transport] = []
        self.lost = 0  # connections, to be opened anew
        self._sent = 0
        self._started = time.perf_counter()

    @property
    def passed(self) -> float:
        return time.perf_counter() - self._started

    @property
    def is_over(self) -> bool:
        return self.passed >= self._seconds

    @property
    def waiting(self) -> int:
        """The number of requests without an answer."""
        return self._sent - self.poured.count - self.poured.cut

    def start(self) -> None:
        self._started = time.perf_counter()

    def send(self) -> None:
        """Send what is due."""
        due = 0 if self.is_over else self._rate * self.passed
        while self.idle and self._sent < due:
            self.idle.pop().write(self._wires[self._sent % len(self._wires)])
            self._sent += 1


class _Line(asyncio.Protocol):
    """One connection. It is idle when its last request was answered whole."""

    def __init__(self, pump: _Pump) -> None:
        self._pump = pump
        self._arrived = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._pump.idle.append(self.transport)

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        end = self._arrived.find(b"\r\n\r\n")
        if end < 0 or len(self._arrived) < end + 4 + _length(self._arrived[:end]):
            return
        status = int(self._arrived[9:12])
        statuses = self._pump.poured.statuses
        statuses[status] = statuses.get(status, 0) + 1
        self._arrived = b""
        self._pump.idle.append(self.transport)
        self._pump.send()

    def connection_lost(self, _: Exception | None) -> None:
        if self.transport in self._pump.idle:
            self._pump.idle.remove(self.transport)
        else:
            self._pump.poured.cut += 1
        self._pump.lost += 1


def _length(head: bytes) -> int:
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    return int(lower[at + 17 :].split(b"\r", 1)[0]) if at >= 0 else 0


def pour(
    host: str,
    port: int,
    wires: Sequence[bytes],
    rate: float,
    seconds: float,
    *,
    lines: int = 64,
) -> Poured:
    """Send the requests in turn from a process of its own, and return what they were answered.

    Args:
        wires: the requests.
        rate: how many a second, whether or not those before were answered; infinite for as many as
            there are answers. Those for which no line is idle are sent late.
        lines: connections, which stay open.
    """
    spawning = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawning) as executor:
        return executor.submit(_pour, host, port, wires, rate, seconds, lines).result()


def _pour(
    host: str, port: int, wires: Sequence[bytes], rate: float, seconds: float, lines: int
) -> Poured:
    os.nice(_NICE)
    return uvloop.run(_send(host, port, wires, rate, seconds, lines))


async def _send(
    host: str, port: int, wires: Sequence[bytes], rate: float, seconds: float, lines: int
) -> Poured:
    pump, loop = _Pump(wires, rate, seconds), asyncio.get_running_loop()

    async def connect() -> None:
        await loop.create_connection(lambda: _Line(pump), host, port)

    for _ in range(lines):
        await connect()
    used = time.process_time()
    pump.start()
    while not pump.is_over:
        pump.send()
        await asyncio.sleep(_TICK)
        while pump.lost:
            pump.lost -= 1
            await connect()
    poured = pump.poured
    poured.seconds = pump.passed
    while pump.waiting and pump.passed < seconds + _PATIENCE:
        await asyncio.sleep(_TICK)
    poured.cpu_seconds = time.process_time() - used
    return poured
