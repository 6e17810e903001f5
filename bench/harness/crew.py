"""Clients that stay: prepared once in a process of their own, then let loose round after round.

A side whose passwords cost a quarter of a second takes many seconds to register 32 clients.
Prepared once, every round measures only what it is about.
"""

import asyncio
import contextlib
import math
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import Any

import uvloop

from bench.harness import processes
from bench.harness.arrivals import PATIENCE, Anybody, Told, arrive
from bench.harness.load import Client, Connection, Result, Step, loop

_PREPARE_SECONDS = 180.0
_LAST_STEP_SECONDS = 120.0  # a server that queues without bound may answer as late
# Each may cost a password hash: more at once would be no faster, and be turned away.
_PREPARED_AT_ONCE = len(os.sched_getaffinity(0))


class Failed(Exception):
    """The clients of a side cannot go on; the message says why."""


@dataclass(frozen=True)
class Crew:
    """The clients of one side, in another process."""

    pipe: Pipe
    pid: int

    def prepare(self, count: int) -> None:
        """Make so many clients ready, in place of earlier ones.

        Raises:
            Failed: one of them met an error, or they take too long.
        """
        self._ask(("prepare", count), _PREPARE_SECONDS)

    def run(self, count: int, seconds: float, total: float = math.inf) -> Result:
        """Let the first `count` clients loop; up to `total` steps, if that is sooner.

        Raises:
            Failed: one of them met an error, or an answer never came.
        """
        result: Result = self._ask(("run", count, seconds, total), seconds + _LAST_STEP_SECONDS)
        return result

    def gather(self, count: int) -> None:
        """Make so many people ready to `arrive`.

        Raises:
            Failed: as with `prepare`.
        """
        self._ask(("gather", count), _PREPARE_SECONDS)

    def arrive(self, rate: float, seconds: float, *, one_at_a_time: bool = False) -> Told:
        """Let those who are gathered take their step in turn, so many a second: an open loop.

        With `one_at_a_time`, nobody begins a step before the last one has ended.

        Raises:
            Failed: one of them met an error that is no answer.
        """
        what = ("arrive", rate, seconds, one_at_a_time)
        told: Told = self._ask(what, seconds + PATIENCE + _LAST_STEP_SECONDS)
        return told

    @property
    def cpu_seconds(self) -> float:
        """CPU time that the clients themselves have used."""
        return processes.own_cpu_seconds(self.pid)

    def _ask(self, what: tuple[Any, ...], patience: float) -> Any:
        self.pipe.send(what)
        if not self.pipe.poll(patience):
            raise Failed(f"no answer to {what[0]} within {patience:.0f} s")
        error, answer = self.pipe.recv()
        if error:
            raise Failed(error)
        return answer


@contextlib.contextmanager
def crew(host: str, port: int, client: Client) -> Iterator[Crew]:
    """Start the process of a side's clients; end it at the end."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(theirs, host, port, client), daemon=True
    )
    process.start()
    assert process.pid is not None
    try:
        yield Crew(ours, process.pid)
    finally:
        process.terminate()
        process.join(10)


def _serve(pipe: Pipe, host: str, port: int, client: Client) -> None:
    uvloop.run(_follow(pipe, host, port, client))


async def _follow(pipe: Pipe, host: str, port: int, client: Client) -> None:
    """Do what is asked, one thing after the other, until the process is ended."""
    connections: list[Connection] = []
    steps: list[Step] = []
    while True:
        what, *rest = pipe.recv()
        try:
            result: Result | Told | None = None
            if what in {"prepare", "gather"}:
                kind = Connection if what == "prepare" else Anybody
                connections = [kind(host, port) for _ in range(rest[0])]
                steps = await _prepare(client, connections)
            elif what == "arrive":
                rate, seconds, one_at_a_time = rest
                result = await arrive(host, port, steps, rate, seconds, one_at_a_time=one_at_a_time)
            else:
                count, seconds, total = rest
                result = await loop(steps[:count], seconds, total)
            # A server may close what rests; the next step connects anew.
            for connection in connections:
                connection.close()
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent reports it
            pipe.send((f"{type(error).__name__}: {error}"[:500], None))
        else:
            pipe.send((None, result))


async def _prepare(client: Client, connections: list[Connection]) -> list[Step]:
    """Prepare a few at a time."""
    places = asyncio.Semaphore(_PREPARED_AT_ONCE)

    async def ready(number: int, connection: Connection) -> Step:
        async with places:
            return await client(connection, number)

    return list(await asyncio.gather(*(ready(*pair) for pair in enumerate(connections))))
