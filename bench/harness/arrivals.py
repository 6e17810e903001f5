"""Requests that arrive at a rate, whether or not those before were answered: an open loop.

A crowd at the door does not wait for the answer to somebody else. Closed-loop clients do, so they
cannot ask for more than a server gives.
"""

import asyncio
import time
from dataclasses import dataclass, field

import uvloop

from bench.harness.load import Connection


@dataclass
class Told:
    """What those who came were told. Latencies in seconds, `Retry-After` in whole seconds."""

    latencies: dict[int, list[float]] = field(default_factory=dict)  # by status
    retry_after: list[int] = field(default_factory=list)
    failed: int = 0  # connections that were cut without an answer

    @property
    def count(self) -> int:
        return self.failed + sum(map(len, self.latencies.values()))

    def share(self, status: int) -> float:
        """The share of them that were told this status."""
        return len(self.latencies.get(status, ())) / max(1, self.count)

    def percentile(self, status: int, share: float) -> float:
        """A percentile of the latencies of one status."""
        ordered = sorted(self.latencies.get(status, [0.0]))
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def arrive(host: str, port: int, wires: list[bytes], rate: float, seconds: float) -> Told:
    """Send these requests in turn, so many a second; wait for the last answers at the end."""
    return uvloop.run(_arrive(host, port, wires, rate, seconds))


async def _arrive(host: str, port: int, wires: list[bytes], rate: float, seconds: float) -> Told:
    told = Told()
    idle: list[Connection] = []
    under_way: set[asyncio.Task[None]] = set()
    started = time.perf_counter()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(started + number / rate - time.perf_counter())
        connection = idle.pop() if idle else Connection(host, port)
        task = asyncio.create_task(_ask(connection, wires[number % len(wires)], told, idle))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    if under_way:
        await asyncio.wait(under_way, timeout=60)
    told.failed += len(under_way)
    return told


async def _ask(connection: Connection, wire: bytes, told: Told, idle: list[Connection]) -> None:
    before = time.perf_counter()
    try:
        answer = await connection.send(wire)
    except (OSError, EOFError):
        told.failed += 1
        return
    told.latencies.setdefault(answer.status, []).append(time.perf_counter() - before)
    head = answer.head.lower()
    at = head.find(b"retry-after:")
    if at >= 0:
        told.retry_after.append(int(head[at + 12 : head.index(b"\r", at)]))
    idle.append(connection)
