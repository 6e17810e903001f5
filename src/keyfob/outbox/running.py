"""The runner of due jobs, in every worker of every instance.

One statement takes a job, by moving its due time past a lease. The lease is extended as long as the
job runs; jobs of a killed worker are taken over by others within a minute. No transaction is open
meanwhile. Finished jobs are deleted.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter

from keyfob.core.problems import Problem
from keyfob.outbox import queries
from keyfob.outbox.doing import Doing
from keyfob.outbox.lanes import Lane
from keyfob.outbox.models import SLOW, StoredJob
from keyfob.outbox.service import Outbox

OUTBOX = Counter(
    "keyfob_outbox_jobs_total",
    "Mails and other jobs by kind and outcome: done, retried, dead, expired.",
    ["kind", "outcome"],
)

log = structlog.get_logger("keyfob.outbox")

LEASE = timedelta(seconds=60)
_SLOW_WIDTH = 4


@dataclass
class Pace:
    """The times of the runner, in seconds.

    Args:
        poll: between two searches for due jobs, if nobody wakes the runner.
        extend: between two extensions of the leases; much less than a lease.
        stop: how long a stop waits for running jobs.
        prompt: how long a job may take before it is set aside.
        settle: between two attempts to record the result of a job.
    """

    poll: float = 5.0
    extend: float = 15.0
    stop: float = 5.0
    prompt: float = 2.0
    settle: float = 1.0


@dataclass(frozen=True)
class _Held:
    """A job that runs here, and the attempt that holds its lease."""

    task: asyncio.Task[None]
    attempts: int


class OutboxRunner:
    """Takes jobs and passes them to their handlers, a limited number of each kind at once."""

    def __init__(self, outbox: Outbox, pace: Pace | None = None) -> None:
        self._outbox = outbox
        self.pace = pace or Pace()
        self._lanes: dict[str, Lane] = {}
        self._held: dict[UUID, _Held] = {}
        self._woken = asyncio.Event()
        self._taking = asyncio.Lock()
        self._loops: list[asyncio.Task[None]] = []

    def wake(self, _: str = "") -> None:
        """Search at once: a job was added, or the clock was moved."""
        self._woken.set()

    async def start(self) -> None:
        """Start the runner; returns at once."""
        kinds = self._outbox.handlers
        prompt = self.pace.prompt
        self._lanes = {kind: Lane(prompt=prompt) for kind in kinds}
        self._lanes |= {kind + SLOW: Lane(_SLOW_WIDTH, aside=0, prompt=prompt) for kind in kinds}
        self._loops = [
            asyncio.create_task(self._take_again_and_again(), name="outbox"),
            asyncio.create_task(self._hold_leases(), name="outbox leases"),
        ]

    async def stop(self) -> None:
        """Take no more jobs; give running ones a moment, and leave the rest to their leases."""
        with suppress(TimeoutError):  # jobs that a statement has taken are still begun
            async with asyncio.timeout(self.pace.stop), self._taking:
                await _cancel(self._loops)
        await _cancel(self._loops)
        self._loops = []
        tasks = [held.task for held in self._held.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=self.pace.stop)
        await _cancel(tasks)

    async def _take_again_and_again(self) -> None:
        while True:
            self._woken.clear()
            try:
                while await self._take_some():
                    pass
            except Problem as away:
                log.warning("outbox_waits", cause=away.code)
            except Exception:
                log.exception("outbox_failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(self.pace.poll):
                    await self._woken.wait()

    async def _take_some(self) -> bool:
        async with self._taking:
            return await self._take()

    async def _take(self) -> bool:
        """Take due jobs that may begin; tell whether there may be more."""
        now, tick = self._outbox.clock.now(), asyncio.get_running_loop().time()
        free = {kind: lane.capacity(now, tick) for kind, lane in self._lanes.items()}
        kinds = [kind for kind, amount in free.items() if amount > 0]
        if not kinds:
            return False
        # The limit of the fullest lane: the statement does not count the kinds separately.
        limit = min(free[kind] for kind in kinds)
        jobs = await queries.take_due(self._outbox.db, kinds, now, now + LEASE, limit)
        for job in jobs:
            self._begin(job)
        return len(jobs) == limit

    def _begin(self, job: StoredJob) -> None:
        if job.id in self._held:  # the lease ran out while the database was down
            return
        lane = self._lanes[job.kind]
        lane.enter(job.id, asyncio.get_running_loop().time())
        task = asyncio.create_task(self._do(job, lane), name=f"outbox {job.id}")
        self._held[job.id] = _Held(task, job.attempts)

    async def _do(self, job: StoredJob, lane: Lane) -> None:
        try:
            doing = Doing(self._outbox, job, lane, self.pace.settle)
            OUTBOX.labels(doing.kind, await doing.run()).inc()
        finally:
            del self._held[job.id]
            lane.leave(job.id)
            self._woken.set()

    async def _hold_leases(self) -> None:
        while True:
            await asyncio.sleep(self.pace.extend)
            try:
                await self._extend_leases()
            except Problem as away:
                log.warning("outbox_waits", cause=away.code)
            except Exception:
                log.exception("outbox_failed")

    async def _extend_leases(self) -> None:
        held = dict(self._held)
        if held:
            until = self._outbox.clock.now() + LEASE
            attempts = [one.attempts for one in held.values()]
            await queries.extend_leases(self._outbox.db, list(held), attempts, until)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
