"""The pool in which passwords are hashed: bounded in threads, in queue and in priority.

A hash costs a fifth of a second of a core, on purpose. Here that cost is kept away from the event
loop, from everyone who does not sign in, and one client's hashes from everybody else's.
"""

import asyncio
import contextlib
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from keyfob.core.fair_queue import FairQueue, Share
from keyfob.core.problems import Overloaded

T = TypeVar("T")

# Met only where hashes are so cheap that the budget bounds nothing: memory stays bounded anyway.
MAX_QUEUED = 4096

# Where every core is busy, a tenth of what others get: sign-ins go on slowly.
_NICENESS_OF_FIRST = 10
_LEAST_PRIORITY = 19
_WEIGHT_OF_LAST = 0.2


def usable_cores() -> int:
    """Return how many cores this process may run on (its affinity, where the system tells)."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Job(NamedTuple):
    work: Callable[[], Any]
    share: Share
    future: Future[Any]

    def refuse(self, refusal: Overloaded) -> None:
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(refusal)


class HashingPool:
    """Runs hashes in its own daemon threads, started at the first use.

    Each hash belongs to a share, such as a client's. The shares take turns, so that whoever comes
    waits for the hashes that are being made, and not behind all that another has asked for; alone,
    one may use everything. Where more wait than can be done within the budget, the newest hash of
    the largest share is refused.

    Args:
        threads: how many hash at once; 0: one for each usable core.
        budget: seconds that a hash may be expected to wait before it is refused.
        first_estimate: seconds that a hash is taken to last until one was measured.
        longest: seconds after which who still waits is refused: others take all cores.
    """

    def __init__(
        self,
        threads: int = 0,
        budget: float = 3.0,
        *,
        first_estimate: float = 0.25,
        longest: float = 10.0,
    ) -> None:
        self.threads = threads or usable_cores()
        self._budget = budget
        self._longest = longest
        self._mean = first_estimate
        self._measured = False
        self._jobs: FairQueue[_Job] = FairQueue()
        self._begun: dict[int, float] = {}  # when, by the number of the thread
        self._runs: dict[int, Share] = {}  # whose
        self._started = False
        self._closed = False
        self._changed = threading.Condition()

    @property
    def queued(self) -> int:
        """How many hashes wait for a thread."""
        return len(self._jobs)

    @property
    def running(self) -> int:
        """How many hashes are being made."""
        return len(self._begun)

    @property
    def expected_wait(self) -> float:
        """Seconds until all that is asked for has begun; 0 where a thread is free."""
        ahead = self.queued + self.running
        if ahead < self.threads:
            return 0.0
        # A hash that gets no core tells what the next will take, though none has ended.
        longest = time.perf_counter() - min(self._begun.values(), default=math.inf)
        return max(self._mean, longest) * ahead / self.threads

    async def run(self, work: Callable[[], T], share: Share) -> T:
        """Do the work in a thread of the pool and return its result, or raise what it raised.

        When the awaiting task is cancelled (its client left), work that still waits is dropped.

        Raises:
            Overloaded: more waits than the budget allows, and most of it in this share; or the
                pool is closed. At once, when others come while this waits, or after the longest
                that anybody waits.
        """
        job = _Job(work, share, Future())
        with self._changed:
            gives_way = self._admit(job)
        if gives_way is job:
            raise self._refusal()
        if gives_way:
            gives_way.refuse(self._refusal())
        patience = asyncio.timeout(self._longest)
        try:
            async with patience:
                result: T = await self._result_of(job)
        except TimeoutError:
            if patience.expired():
                raise self._refusal() from None
            raise
        return result

    async def _result_of(self, job: _Job) -> Any:
        try:
            # Cancelling the wrapper cancels the future, so a thread that took it will not begin.
            return await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            with self._changed, contextlib.suppress(ValueError):
                self._jobs.remove(job, job.share)
            raise

    def close(self) -> None:
        """Stop the threads; what waits is refused with Overloaded, what runs ends unheard."""
        with self._changed:
            self._closed = True
            refused = [self._jobs.take() for _ in range(self.queued)]
            self._changed.notify_all()
        for job in refused:
            job.refuse(Overloaded())

    def ensure_room(self, share: Share) -> None:
        """Refuse what `run` would refuse now.

        Raises:
            Overloaded: as there.
        """
        with self._changed:
            if self._may_wait(share):
                return
            job = _Job(lambda: None, share, Future())
            self._jobs.put(job, share)
            gives_way = self._jobs.newest_of_largest([*self._runs.values()])
            self._jobs.remove(job, share)
        if gives_way is job:
            raise self._refusal()

    def _admit(self, job: _Job) -> _Job | None:
        """Let a job wait, and return the one that has to give way to it; it may be that job."""
        may_wait = self._may_wait(job.share)
        self._jobs.put(job, job.share)
        if not may_wait:
            gives_way = self._jobs.newest_of_largest([*self._runs.values()])
            self._jobs.remove(gives_way, gives_way.share)
            return gives_way
        self._start()
        self._changed.notify_all()
        return None

    def _may_wait(self, share: Share) -> bool:
        """Tell whether one more of a share may wait, whoever else does.

        Threat: where others keep every core busy, one hash takes longer than the budget. If nobody
        could wait then, who asks most often would have every thread that becomes free. So one may
        wait of whom nothing waits or runs, and as many such as there are threads; but not where its
        time would come only when it has gone.
        """
        if self._closed or self.queued >= MAX_QUEUED:
            return False
        if self.expected_wait <= self._budget:
            return True
        is_new = share[0] not in self._jobs and all(
            share[0] != running[0] for running in self._runs.values()
        )
        is_hopeless = self.expected_wait > self._longest or not self._budget
        return is_new and not is_hopeless and self.queued < self.threads

    def _refusal(self) -> Overloaded:
        return Overloaded(retry_after=max(1, math.ceil(self.expected_wait - self._budget)))

    def _start(self) -> None:
        if not self._started:
            self._started = True
            for number in range(self.threads):
                threading.Thread(
                    target=self._serve, args=(number,), name=f"hashing-{number}", daemon=True
                ).start()

    def _serve(self, number: int) -> None:
        _lower_priority(is_first=number == 0)
        while (job := self._next(number)) is not None:
            if job.future.set_running_or_notify_cancel():
                self._do(job, number)
            else:
                self._leave(number)
            del job  # an idle thread must not keep the last password in memory

    def _next(self, number: int) -> _Job | None:
        """Wait for a job: the first thread takes it, the others what comes while that is busy."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (self._jobs and (number == 0 or 0 in self._begun))
            )
            if self._closed:
                return None
            job = self._jobs.take()
            self._begun[number] = time.perf_counter()
            self._runs[number] = job.share
            self._changed.notify_all()
            return job

    def _do(self, job: _Job, number: int) -> None:
        begun = self._begun[number]
        try:
            result = job.work()
        except BaseException as fault:  # noqa: BLE001 - it belongs to who awaits; the thread lives on
            self._leave(number, time.perf_counter() - begun)
            job.future.set_exception(fault)
        else:
            self._leave(number, time.perf_counter() - begun)
            job.future.set_result(result)

    def _leave(self, number: int, took: float | None = None) -> None:
        """Let a thread be free again; learn what its hash took, if it made one."""
        with self._changed:
            del self._begun[number], self._runs[number]
            if took is not None:
                weight = _WEIGHT_OF_LAST if self._measured else 1.0
                self._mean += weight * (took - self._mean)
                self._measured = True


def _lower_priority(*, is_first: bool) -> None:
    """Let the event loop and the database go first, whenever they have something to do.

    A thread of the idle class gives way the moment that another wakes up; one that is only nice
    first ends its time slice, some milliseconds (sched(7)). It is nice as well, for C libraries
    that do not know the classes. Only Linux has either for a thread.

    Threat: where others keep every core busy, a thread of the idle class stands still. So the first
    is only nice: nobody stops all sign-ins by cheap requests.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(
                os.PRIO_PROCESS, thread, _NICENESS_OF_FIRST if is_first else _LEAST_PRIORITY
            )
            if not is_first:
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
