import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from keyfob.core.fair_queue import FairQueue
from keyfob.core.problems import Overloaded
from keyfob.passwords import hashing
from keyfob.passwords.hashing import HashingPool, usable_cores

ONE, OTHER = ("192.0.2.1", ""), ("192.0.2.2", "")


class Gate:
    """Work that says when it has begun and waits to be let through."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.opened = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.opened.wait(30)
        return "through"

    async def entered(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 30)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def make_pool() -> Iterator[Callable[..., HashingPool]]:
    pools: list[HashingPool] = []

    def make(**given: float) -> HashingPool:
        pools.append(HashingPool(**{"threads": 1, **given}))  # type: ignore[arg-type] # both numbers
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


async def test_work_runs_in_a_thread_of_the_pool_and_gives_its_result(make_pool):
    name = await make_pool().run(lambda: threading.current_thread().name, ONE)

    assert name.startswith("hashing-")


async def test_what_the_work_raises_reaches_the_caller_and_the_thread_lives_on(make_pool):
    pool = make_pool()

    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0, ONE)

    assert await pool.run(lambda: "alive", ONE) == "alive"


async def test_no_thread_is_started_before_the_first_use(make_pool):
    before = set(threading.enumerate())
    pool = make_pool(threads=3)
    assert set(threading.enumerate()) <= before

    await pool.run(lambda: None, ONE)

    assert len(set(threading.enumerate()) - before) == 3


def test_zero_threads_means_the_usable_cores():
    assert HashingPool(threads=0).threads == usable_cores() >= 1


def test_where_no_affinity_is_told_the_cores_are_counted(monkeypatch):
    monkeypatch.setattr(hashing.sys, "platform", "darwin")

    assert usable_cores() == os.cpu_count()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
async def test_only_the_threads_of_the_pool_have_a_lower_priority(make_pool):
    def priority() -> tuple[int, int]:
        thread = threading.get_native_id()
        return os.getpriority(os.PRIO_PROCESS, thread), os.sched_getscheduler(thread)

    before = priority()
    pool, gate = make_pool(threads=2), Gate()

    first = asyncio.create_task(pool.run(lambda: (priority(), gate()), ONE))
    await gate.entered()
    second = await pool.run(priority, ONE)
    gate.opened.set()

    assert ((await first)[0], second) == ((10, os.SCHED_OTHER), (19, os.SCHED_IDLE))
    assert priority() == before


async def test_alone_a_hash_is_made_by_the_thread_that_gets_a_core_beside_others(make_pool):
    pool = make_pool(threads=3)

    names = [await pool.run(lambda: threading.current_thread().name, ONE) for _ in range(20)]

    assert set(names) == {"hashing-0"}


async def test_what_gets_no_core_is_refused_and_tells_those_who_come(make_pool, gate, monkeypatch):
    """Threat: cheap requests that keep every core busy would delay sign-ins endlessly."""
    pool = make_pool(budget=3.0, longest=0.05)
    starved = asyncio.create_task(pool.run(gate, ONE))
    await gate.entered()

    with pytest.raises(Overloaded):
        await starved
    began = hashing.time.perf_counter()
    monkeypatch.setattr(hashing.time, "perf_counter", lambda: began + 60)
    with pytest.raises(Overloaded):
        pool.ensure_capacity(OTHER)
    gate.opened.set()


async def test_a_system_that_refuses_a_lower_priority_still_hashes(make_pool, monkeypatch):
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(hashing.os, "setpriority", refuse)

    assert await make_pool().run(lambda: "hashed", ONE) == "hashed"


async def test_beyond_the_budget_it_refuses_at_once_with_the_time_to_come_back(make_pool, gate):
    pool = make_pool(budget=1.0, first_estimate=2.5)
    running = asyncio.create_task(pool.run(gate, ONE))
    await gate.entered()
    assert (pool.running, pool.queued, pool.expected_wait) == (1, 0, 2.5)

    refused = pool.run(lambda: "never", ONE)
    with pytest.raises(Overloaded) as refusal:
        refused.send(None)  # one step: it was refused without waiting for anything

    assert refusal.value.headers == {"Retry-After": "2"}
    assert pool.queued == 0
    gate.opened.set()
    assert await running == "through"
    assert await pool.run(lambda: "free again", ONE) == "free again"


async def test_where_one_hash_takes_longer_than_the_budget_others_still_have_their_turn(
    make_pool, gate
):
    """Threat: the client that asks most often would get every free thread."""
    pool = make_pool(budget=1.0, first_estimate=2.5)
    running = asyncio.create_task(pool.run(gate, ONE))
    await gate.entered()

    with pytest.raises(Overloaded):
        pool.ensure_capacity(ONE)
    pool.ensure_capacity(OTHER)
    waiting = asyncio.create_task(pool.run(lambda: "its turn", OTHER))
    await asyncio.sleep(0)
    assert pool.queued == 1
    for share in (ONE, OTHER, ("198.51.100.9",)):  # one alone, and of nobody who has his turn
        with pytest.raises(Overloaded):
            await pool.run(lambda: "never", share)

    gate.opened.set()
    assert await waiting == "its turn"
    assert await running == "through"


async def test_what_is_being_made_counts_in_who_gives_way(make_pool, gate):
    pool = make_pool(budget=3.0, first_estimate=2.0)
    running = asyncio.create_task(pool.run(gate, ONE))
    await gate.entered()
    second = asyncio.create_task(pool.run(lambda: "a second one", ONE))
    await asyncio.sleep(0)

    pool.ensure_capacity(OTHER)
    newcomer = asyncio.create_task(pool.run(lambda: "its turn", OTHER))
    with pytest.raises(Overloaded):
        await second

    gate.opened.set()
    assert await newcomer == "its turn"
    assert await running == "through"


async def test_a_free_thread_is_used_however_long_a_hash_takes(make_pool, gate):
    pool = make_pool(threads=2, budget=1.0, first_estimate=60.0)
    running = asyncio.create_task(pool.run(gate, ONE))
    await gate.entered()

    assert await pool.run(lambda: "done", ONE) == "done"

    gate.opened.set()
    await running


async def test_the_expected_wait_follows_what_was_measured(make_pool, monkeypatch):
    now = [0.0]

    def take(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(hashing.time, "perf_counter", lambda: now[0])
    pool = make_pool(budget=30.0, first_estimate=9.0)

    await pool.run(partial(take, 1.0), ONE)  # replaces the estimate
    await pool.run(partial(take, 2.0), ONE)  # moves the mean by a fifth
    monkeypatch.undo()

    gate = Gate()
    running = asyncio.create_task(pool.run(gate, ONE))
    await gate.entered()
    assert pool.expected_wait == pytest.approx(1.2)
    gate.opened.set()
    await running


async def test_the_queue_has_an_end_even_where_hashes_cost_nothing(make_pool, gate, monkeypatch):
    monkeypatch.setattr(hashing, "MAX_QUEUED", 2)
    pool = make_pool(first_estimate=0.0)
    tasks = [asyncio.create_task(pool.run(gate, ONE))]
    await gate.entered()
    tasks += [asyncio.create_task(pool.run(lambda: "queued", ONE)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded):
        await pool.run(lambda: "too many", ONE)

    gate.opened.set()
    assert await asyncio.gather(*tasks) == ["through", "queued", "queued"]


async def test_work_of_clients_that_left_is_not_done(make_pool, gate):
    pool = make_pool()
    done: list[str] = []
    running = asyncio.create_task(pool.run(gate, ONE))
    await gate.entered()
    left = [asyncio.create_task(pool.run(lambda: done.append("left"), ONE)) for _ in range(5)]
    stayed = asyncio.create_task(pool.run(lambda: done.append("stayed"), ONE))
    await asyncio.sleep(0)
    assert pool.queued == 6

    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)

    assert pool.queued == 1  # nor do they take a place in the queue
    gate.opened.set()
    await asyncio.gather(running, stayed)
    assert done == ["stayed"]


async def test_work_cancelled_between_queue_and_thread_is_not_done(make_pool, monkeypatch):
    pool = make_pool()
    done: list[str] = []
    take = FairQueue.take

    def cancelled_on_the_way(queue):
        job = take(queue)
        if not done:
            assert job.future.cancel()
            done.append("cancelled")
        return job

    monkeypatch.setattr(FairQueue, "take", cancelled_on_the_way)
    with pytest.raises(asyncio.CancelledError):
        await pool.run(lambda: done.append("hashed"), ONE)

    await pool.run(lambda: done.append("the next"), ONE)
    assert done == ["cancelled", "the next"]
    assert pool.queued == 0


async def test_closing_refuses_what_waits_and_what_comes(make_pool, gate):
    pool = make_pool()
    running = asyncio.create_task(pool.run(gate, ONE))
    await gate.entered()
    waiting = asyncio.create_task(pool.run(lambda: "never", ONE))
    await asyncio.sleep(0)

    pool.close()

    with pytest.raises(Overloaded):
        await waiting
    with pytest.raises(Overloaded):
        await pool.run(lambda: "never", ONE)
    gate.opened.set()
    assert await running == "through"


async def test_closing_ends_the_threads(make_pool):
    pool = make_pool()
    thread = await pool.run(threading.current_thread, ONE)

    pool.close()

    await asyncio.to_thread(thread.join, 30)
    assert not thread.is_alive()


async def fill(pool: HashingPool, done: list[str], *names: str) -> list["asyncio.Task[None]"]:
    """Let work wait, in this order; the letter that its name begins with is whose it is."""
    tasks = []
    for name in names:
        work = partial(done.append, name)
        tasks.append(asyncio.create_task(pool.run(work, ONE if name[0] == "a" else OTHER)))
        await asyncio.sleep(0)
    return tasks


async def test_whoever_comes_waits_for_a_turn_and_not_behind_all_of_another(make_pool, gate):
    pool = make_pool()
    done: list[str] = []
    running = asyncio.create_task(pool.run(gate, ONE))
    await gate.entered()
    waiting = await fill(pool, done, "a1", "a2", "a3", "b1", "b2")

    gate.opened.set()
    await asyncio.gather(running, *waiting)

    assert done == ["a1", "b1", "a2", "b2", "a3"]


async def test_where_no_more_fits_the_newest_of_the_largest_share_gives_way(
    make_pool, gate, monkeypatch
):
    monkeypatch.setattr(hashing, "MAX_QUEUED", 3)
    pool = make_pool(first_estimate=0.0)
    done: list[str] = []
    running = asyncio.create_task(pool.run(gate, ONE))
    await gate.entered()
    waiting = await fill(pool, done, "a1", "a2", "a3")  # alone, one may use everything

    waiting += await fill(pool, done, "b1")
    with pytest.raises(Overloaded):
        pool.ensure_capacity(ONE)
    with pytest.raises(Overloaded):
        await pool.run(lambda: done.append("a4"), ONE)

    gate.opened.set()
    ended = await asyncio.gather(running, *waiting, return_exceptions=True)
    assert [type(one) for one in ended] == [str, type(None), type(None), Overloaded, type(None)]
    assert done == ["a1", "b1", "a2"]
