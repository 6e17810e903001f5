"""Requests that arrive at a rate, whether or not earlier ones were answered: an open loop.

A crowd does not wait for the answers to others. Closed-loop clients do, so they
cannot ask for more than a server gives. But nobody waits for ever: who has no answer after
`PATIENCE` leaves, and the connection is closed.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field

from bench.harness.load import Answer, Connection, Refused, Step

PATIENCE = 10.0  # seconds, for all requests of one step together


@dataclass
class Told:
    """The answers that the arrivals got. Latencies in seconds, `Retry-After` in whole seconds."""

    latencies: dict[int, list[float]] = field(default_factory=dict)  # by status
    retry_after: list[int] = field(default_factory=list)
    failed: int = 0  # connections that were cut or refused
    unanswered: int = 0  # those that left without an answer

    @property
    def count(self) -> int:
        return self.failed + self.unanswered + sum(map(len, self.latencies.values()))

    @property
    def answers(self) -> dict[str, int]:
        """The number of each answer, by status; also those that were cut, or left without one."""
        by_status = {str(status): len(seen) for status, seen in sorted(self.latencies.items())}
        return {**by_status, "cut": self.failed, "unanswered": self.unanswered}

    def share(self, status: int) -> float:
        """The share of them that were told this status."""
        return len(self.latencies.get(status, ())) / max(1, self.count)

    def percentile(self, status: int, share: float) -> float:
        """A percentile of the latencies of one status."""
        ordered = sorted(self.latencies.get(status, [0.0]))
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Line(Connection):
    """A connection that knows its last answer."""

    last: Answer | None = None

    async def send(self, request: bytes) -> Answer:
        self.last = await super().send(request)
        return self.last


_line: ContextVar[Line | None] = ContextVar("line", default=None)


class Anybody(Connection):
    """The connection of a step that many take at once: each is on the line that it was given.

    So a few people, whose registration costs a hash each, are enough for a crowd.
    """

    async def send(self, request: bytes) -> Answer:
        line = _line.get()
        return await (super().send(request) if line is None else line.send(request))


async def arrive(
    host: str,
    port: int,
    steps: Sequence[Step],
    rate: float,
    seconds: float,
    *,
    one_at_a_time: bool = False,
    patience: float = PATIENCE,
    most_open: int = 2000,
) -> Told:
    """Take these steps in turn, so many a second; wait for the last answers at the end.

    Who comes when `most_open` others wait finds no place, and is not answered either.

    Each step was made on a connection of `Anybody`, and does the same however often it is taken.
    A step that follows from its own last answer, as a refresh does, needs `one_at_a_time`: whoever
    comes while that step is under way waits until it has ended, and the latency counts the wait.
    """
    told = Told()
    turns: list[AbstractAsyncContextManager[None]] = [
        asyncio.Lock() if one_at_a_time else nullcontext() for _ in steps
    ]
    idle: list[Line] = []
    under_way: set[asyncio.Task[None]] = set()
    started = time.perf_counter()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(started + number / rate - time.perf_counter())
        if len(under_way) >= most_open:
            told.unanswered += 1
            continue
        line = idle.pop() if idle else Line(host, port)
        which = number % len(steps)
        task = asyncio.create_task(_ask(steps[which], turns[which], line, told, idle, patience))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    for line in idle:
        line.close()
    return told


async def _ask(
    step: Step,
    turn: AbstractAsyncContextManager[None],
    line: Line,
    told: Told,
    idle: list[Line],
    patience: float,
) -> None:
    _line.set(line)  # for this task alone
    before = time.perf_counter()
    try:
        async with asyncio.timeout(patience), turn:
            status = await step()
    except Refused as refused:
        status = refused.status
    except TimeoutError:
        told.unanswered += 1
        line.close()
        return
    except (OSError, EOFError):
        told.failed += 1
        line.close()
        return
    told.latencies.setdefault(status, []).append(time.perf_counter() - before)
    assert line.last is not None
    head = line.last.head.lower()
    at = head.find(b"retry-after:")
    if at >= 0:
        told.retry_after.append(int(head[at + 12 : head.index(b"\r", at)]))
    idle.append(line)
