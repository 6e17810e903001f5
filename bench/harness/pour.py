"""Requests that were written beforehand, sent at a rate on kept connections.

For more requests a second than `arrivals` can send from a machine that also serves them: a request
is one `write`, and of its answer only the status and the length are read.
"""

import asyncio
import concurrent.futures
import math
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop

_TICK = 0.002  # seconds between two looks at the clock


@dataclass
class Poured:
    """The answers to what was sent.

    Args:
        seconds: from the first request to the last one sent.
        statuses: the number of answers by status.
        cpu_seconds: CPU time that sending took.
    """

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    cpu_seconds: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.statuses.values())

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.count / self.seconds


class _Line(asyncio.Protocol):
    """One connection. It is idle when its last request was answered whole."""

    def __init__(self, idle: "list[_Line]", poured: Poured) -> None:
        self._idle, self._poured = idle, poured
        self._arrived = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._idle.append(self)

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        end = self._arrived.find(b"\r\n\r\n")
        if end < 0 or len(self._arrived) < end + 4 + _length(self._arrived[:end]):
            return
        status = int(self._arrived[9:12])
        self._poured.statuses[status] = self._poured.statuses.get(status, 0) + 1
        self._arrived = b""
        self._idle.append(self)


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
    return uvloop.run(_send(host, port, wires, rate, seconds, lines))


async def _send(
    host: str, port: int, wires: Sequence[bytes], rate: float, seconds: float, lines: int
) -> Poured:
    poured, idle = Poured(), list[_Line]()
    loop = asyncio.get_running_loop()
    for _ in range(lines):
        await loop.create_connection(lambda: _Line(idle, poured), host, port)
    everybody, sent = list(idle), 0
    used, started = time.process_time(), time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        due = math.inf if rate == math.inf else int(rate * passed)
        while idle and sent < due:
            idle.pop().transport.write(wires[sent % len(wires)])
            sent += 1
        await asyncio.sleep(_TICK if sent >= due else 0)
    poured.seconds = time.perf_counter() - started
    while len(idle) < lines and time.perf_counter() - started < seconds + 10:
        await asyncio.sleep(_TICK)
    poured.cpu_seconds = time.process_time() - used
    for line in everybody:
        line.transport.close()
    return poured
