"""Chores beside requests: writing activity, key rotation, clean-up, gauges."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from keyfob.core.problems import Problem
from keyfob.core.rooms import Chore

log = structlog.get_logger("keyfob.worker")


@dataclass
class Worker:
    """Runs the chores of one process. A chore that fails is logged and repeated next time.

    Chores of the start run one after the other: each of many processes that start at once uses one
    connection, and not as many as it has such chores.
    """

    chores: list[Chore]
    last: Callable[[], Awaitable[object]]
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Start the chores; returns at once."""
        self._tasks = [
            asyncio.create_task(self._repeat(chore), name=chore.name) for chore in self.chores
        ]

    async def stop(self) -> None:
        """Stop the chores, and write data that is still in memory."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        await _run_once("last", self.last)

    async def _repeat(self, chore: Chore) -> None:
        if chore.at_start:
            async with self._starting:
                await _run_once(chore.name, chore.run)
        while True:
            await asyncio.sleep(chore.every)
            await _run_once(chore.name, chore.run)


async def _run_once(name: str, run: Callable[[], Awaitable[object]]) -> None:
    try:
        await run()
    except Problem as away:
        log.warning("chore_postponed", chore=name, cause=away.code)
    except Exception:
        log.exception("chore_failed", chore=name)
