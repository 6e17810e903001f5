"""The pool for hashing passwords, with limited threads, queue and priority.

A hash costs a fifth of a second of a core, on purpose. The pool keeps that cost away from the event
loop and from requests that need no hash, and protects clients from each other's hashes.
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

from keyfob.core.departures import ClientGone, unless_gone
from keyfob.core.fair_queue import FairQueue, Share
from keyfob.core.problems import Overloaded

T = TypeVar("T")

# Reached only if hashes are so cheap that the budget limits nothing: memory stays bounded.
MAX_QUEUED = 4096

# If every core is busy, the first thread gets a tenth of the time of others: sign-ins slow down.
_NICENESS_OF_FIRST = 10
_LEAST_PRIORITY = 19
_WEIGHT_OF_LAST = 0.2


def usable_cores() -> int:
    """Return the number of cores that this process may use (its affinity, where there is one)."""
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


class _Run(NamedTuple):
    begun: float
    share: Share


class HashingPool:
    """Runs hashes in its own daemon threads, started at the first use.

    Each hash belongs to a share, such as a client's. The shares take turns, so that a new client
    waits only for the hashes in progress, and not for all that another client has queued; a single
    client may use everything. If more wait than can be done within the budget, the newest hash of
    the largest share is refused.

    Args:
        threads: the number of threads; 0 means one for each usable core.
        budget: the seconds that a hash may be expected to wait before it is refused.
        first_estimate: the assumed seconds of a hash until one was measured.
        longest: the seconds after which a waiting hash is refused: other programs use all cores.
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
        self._runs: dict[int, _Run] = {}  # by the number of the thread
        self._started = False
        self._closed = False
        self._changed = threading.Condition()

    @property
    def queued(self) -> int:
        """The number of hashes that wait for a thread."""
        return len(self._jobs)

    @property
    def running(self) -> int:
        """The number of hashes in progress."""
        return len(self._runs)

    @property
    def expected_wait(self) -> float:
        """The seconds until a new hash would begin; 0 if a thread is free."""
        ahead = self.queued + self.running
        if ahead < self.threads:
            return 0.0
        # A running hash that gets no core shows how long the next will take, though none has ended.
        first = min((run.begun for run in self._runs.values()), default=math.inf)
        longest = time.perf_counter() - first
        return max(self._mean, longest) * ahead / self.threads

    async def run(self, work: Callable[[], T], share: Share) -> T:
        """Do the work in a thread of the pool and return its result, or raise its exception.

        If the client of the request leaves, or the awaiting task is cancelled, work that still
        waits is dropped.

        Raises:
            ClientGone: the client has left (`core.departures`).
            Overloaded: more work waits than the budget allows, and most of it in this share; or the
                pool is closed. It is raised at once, when others come while this waits, or after
                the longest wait.
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
            # Cancelling the wrapper cancels the future, so a thread that takes it does not begin.
            return await unless_gone(asyncio.wrap_future(job.future))
        except (asyncio.CancelledError, ClientGone):
            with self._changed, contextlib.suppress(ValueError):
                self._jobs.remove(job, job.share)
            raise

    def close(self) -> None:
        """Stop the threads; waiting work is refused with Overloaded, running work ignored."""
        with self._changed:
            self._closed = True
            refused = [self._jobs.take() for _ in range(self.queued)]
            self._changed.notify_all()
        for job in refused:
            job.refuse(Overloaded())

    def ensure_capacity(self, share: Share) -> None:
        """Check that `run` would accept work of this share now.

        Raises:
            Overloaded: it would refuse.
        """
        with self._changed:
            if self._may_wait(share):
                return
            job = _Job(lambda: None, share, Future())
            self._jobs.put(job, share)
            gives_way = self._newest_of_largest()
            self._jobs.remove(job, share)
        if gives_way is job:
            raise self._refusal()

    def _admit(self, job: _Job) -> _Job | None:
        """Queue a job, and return the one that has to give way to it, perhaps that job itself."""
        may_wait = self._may_wait(job.share)
        self._jobs.put(job, job.share)
        if not may_wait:
            gives_way = self._newest_of_largest()
            self._jobs.remove(gives_way, gives_way.share)
            return gives_way
        self._start()
        self._changed.notify_all()
        return None

    def _newest_of_largest(self) -> _Job:
        return self._jobs.newest_of_largest([run.share for run in self._runs.values()])

    def _may_wait(self, share: Share) -> bool:
        """Tell whether one more job of a share may wait, in any case.

        Threat: if other programs keep every core busy, one hash takes longer than the budget. If
        nobody could wait then, the client that asks most often would get every free thread. So one
        job may wait for each share that has none waiting or running, for as many shares as there
        are threads; but not if its turn would come only after its client has left.
        """
        if self._closed or self.queued >= MAX_QUEUED:
            return False
        if self.expected_wait <= self._budget:
            return True
        is_new = share[0] not in self._jobs and all(
            share[0] != run.share[0] for run in self._runs.values()
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
        """Wait for a job: the first thread takes any, others those that come while it is busy."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (self._jobs and (number == 0 or 0 in self._runs))
            )
            if self._closed:
                return None
            job = self._jobs.take()
            self._runs[number] = _Run(time.perf_counter(), job.share)
            self._changed.notify_all()
            return job

    def _do(self, job: _Job, number: int) -> None:
        begun = self._runs[number].begun
        try:
            result = job.work()
        except BaseException as fault:  # noqa: BLE001 - the awaiting task gets it; the thread lives on
            self._leave(number, time.perf_counter() - begun)
            job.future.set_exception(fault)
        else:
            self._leave(number, time.perf_counter() - begun)
            job.future.set_result(result)

    def _leave(self, number: int, took: float | None = None) -> None:
        """Mark a thread as free; learn the duration of its hash, if it made one."""
        with self._changed:
            del self._runs[number]
            if took is not None:
                weight = _WEIGHT_OF_LAST if self._measured else 1.0
                self._mean += weight * (took - self._mean)
                self._measured = True


def _lower_priority(*, is_first: bool) -> None:
    """Give the event loop and the database precedence, whenever they have something to do.

    A thread of the idle class gives way at the moment that another wakes up; one that is only nice
    first ends its time slice, some milliseconds (sched(7)). It is made nice as well, for C
    libraries that do not support the classes. Only Linux has either per thread.

    Threat: if other programs keep every core busy, a thread of the idle class stops. So the first
    thread is only nice: nobody can stop all sign-ins by cheap requests.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(
                os.PRIO_PROCESS, thread, _NICENESS_OF_FIRST if is_first else _LEAST_PRIORITY
            )
            if not is_first:
                os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
