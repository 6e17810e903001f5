"""Several workers, one of them killed or stopped: each job is done once."""

import asyncio
from typing import Any

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.killing import kill_outbox_runners
from tests.fixtures.logs import captured_log
from tests.fixtures.waiting import until
from tests.fixtures.world import eventually
from tests.outbox.conftest import KEY, MakeOutbox
from tests.outbox.jobs import Hand, add, failed, gone, left, row

from keyfob.core.database import Database
from keyfob.core.problems import DatabaseUnavailable
from keyfob.outbox import queries
from keyfob.outbox.errors import TryAgain
from keyfob.outbox.models import PAUSES, Job
from keyfob.outbox.running import LEASE
from keyfob.outbox.service import Outbox

Run = Any


async def test_a_row_that_an_instance_cannot_open_is_left_to_one_that_can(
    outbox: Outbox, make_outbox: MakeOutbox, db: Database, clock: MovableClock, run: Run
) -> None:
    await add(outbox, "sealed with the old key")
    stranger = make_outbox("a key that was never seen by this database")
    stranger.handle("talk", Hand())
    runner = await run(stranger)

    async def tried() -> bool:
        return (await row(db))["last_error"] is not None

    await until(tried)
    assert (await row(db))["last_error"] == "sealed by a key that is not in KEYFOB_SECRET_KEY"
    assert (await row(db))["failed_at"] is None
    await runner.stop()
    clock.advance(PAUSES[0].total_seconds())

    rotated = make_outbox("the new secret key of the outbox's tests", KEY)
    hand = Hand()
    rotated.handle("talk", hand)
    await run(rotated)
    await gone(db)
    assert hand.said == ["sealed with the old key"]


async def test_kinds_that_this_release_does_not_know_are_left_to_another(
    outbox: Outbox, db: Database, run: Run
) -> None:
    hand = Hand()
    outbox.handle("talk", hand)
    async with db.begin() as tx:
        await outbox.add(tx, "of the next release", {})
    await add(outbox)
    await run()

    async def one_left() -> bool:
        return await left(db) == 1

    await until(one_left)
    assert hand.said == ["hello"]
    assert (await row(db))["attempts"] == 0


async def test_many_jobs_and_four_workers_do_each_once(
    outbox: Outbox, make_outbox: MakeOutbox, db: Database, run: Run
) -> None:
    hand = Hand()
    async with db.begin() as tx:
        for number in range(300):
            await outbox.add(tx, "talk", {"say": number})
    for _ in range(4):
        worker = make_outbox()
        worker.handle("talk", hand)
        await run(worker)

    await gone(db)
    assert sorted(hand.said) == list(range(300))


async def test_a_killed_worker_s_job_is_taken_over_when_its_lease_ends(
    outbox: Outbox, make_outbox: MakeOutbox, db: Database, clock: MovableClock, run: Run
) -> None:
    began = asyncio.Event()

    async def never_ends(_: Job) -> None:
        began.set()
        await asyncio.Event().wait()

    outbox.handle("talk", never_ends)
    await add(outbox)
    await run()
    await began.wait()
    kill_outbox_runners()

    heir, hand = make_outbox(), Hand()
    heir.handle("talk", hand)
    runner = await run(heir)
    assert (await row(db))["due_at"] == clock.now() + LEASE
    assert hand.jobs == []

    clock.advance(LEASE.total_seconds())
    runner.wake()
    await gone(db)
    assert [job.attempts for job in hand.jobs] == [2]


async def test_a_worker_does_not_begin_again_what_it_has_in_hand(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    go_on, begun = asyncio.Event(), []

    async def slow(job: Job) -> None:
        begun.append(job.attempts)
        await go_on.wait()

    outbox.handle("talk", slow)
    await add(outbox)
    runner = await run()

    async def taken_again() -> bool:
        clock.advance(LEASE.total_seconds() + 1)  # as if the database had been away
        runner.wake()
        return bool((await row(db))["attempts"] > 2)

    await until(taken_again)
    go_on.set()
    await gone(db)
    assert begun == [1]


async def test_a_job_that_killed_its_worker_each_time_is_given_up(
    outbox: Outbox, db: Database, run: Run
) -> None:
    hand = Hand()
    outbox.handle("talk", hand)
    await add(outbox)
    await db.execute("UPDATE outbox SET attempts = $1", len(PAUSES) + 1)

    await failed(db, await run(), len(PAUSES) + 2)
    assert (await row(db))["last_error"] == "its worker was killed each time"
    assert hand.jobs == []


async def test_finishing_in_the_job_s_own_transaction_is_once_or_never(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    """Of two workers that do one job, as after a lease that ended too early, one wins."""
    done: list[int] = []
    both = asyncio.Barrier(2)

    async def write(job: Job) -> None:
        await both.wait()
        async with db.begin() as tx:
            await job.finish(tx)
            done.append(job.attempts)

    outbox.handle("talk", write)
    await add(outbox)
    await run()

    async def taken() -> bool:
        return bool((await row(db))["attempts"] == 1)

    await until(taken)
    await db.execute("UPDATE outbox SET due_at = created_at")
    await run()
    await gone(db)
    await eventually(lambda: both.n_waiting == 0)
    assert len(done) == 1


async def test_a_fault_in_the_transaction_leaves_the_job_there(
    outbox: Outbox, db: Database, run: Run
) -> None:
    async def fail_late(job: Job) -> None:
        async with db.begin() as tx:
            await job.finish(tx)
            raise TryAgain("after all")

    outbox.handle("talk", fail_late)
    await add(outbox)
    await failed(db, await run(), 1)
    assert (await row(db))["last_error"] == "after all"


async def test_a_stop_lets_what_is_under_way_finish(outbox: Outbox, db: Database, run: Run) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Job) -> None:
        began.set()
        await go_on.wait()

    outbox.handle("talk", slow)
    await add(outbox)
    runner = await run()
    await began.wait()

    stopping = asyncio.create_task(runner.stop())
    await asyncio.sleep(0)
    go_on.set()
    await stopping
    assert await left(db) == 0


async def test_a_stop_while_jobs_are_taken_leaves_none_to_its_lease(
    outbox: Outbox, db: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand, taken, told = Hand(), asyncio.Event(), asyncio.Event()
    outbox.handle("talk", hand)
    take_due = queries.take_due

    async def take_and_dally(*args: Any) -> Any:
        rows = await take_due(*args)
        if rows:
            taken.set()
            await told.wait()
        return rows

    monkeypatch.setattr(queries, "take_due", take_and_dally)
    await add(outbox)
    runner = await run()
    await taken.wait()

    stopping = asyncio.create_task(runner.stop())
    await asyncio.sleep(0)
    told.set()
    await stopping

    assert hand.said == ["hello"]
    assert await left(db) == 0


async def test_a_stop_leaves_what_takes_too_long_to_its_lease(
    outbox: Outbox, db: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.Event()

    async def never_ends(_: Job) -> None:
        began.set()
        await asyncio.Event().wait()

    outbox.handle("talk", never_ends)
    await add(outbox)
    runner = await run(stop=0.01)
    await began.wait()
    await runner.stop()

    found = await row(db)
    assert (found["attempts"], found["failed_at"], found["last_error"]) == (1, None, None)


async def test_the_lease_is_extended_while_a_job_is_under_way(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = asyncio.Event()

    async def slow(_: Job) -> None:
        await go_on.wait()

    outbox.handle("talk", slow)
    await add(outbox)
    await run(extend=0.01)

    async def held() -> bool:
        return bool((await row(db))["attempts"] == 1)

    await until(held)
    clock.advance(40)

    async def extended() -> bool:
        return bool((await row(db))["due_at"] == clock.now() + LEASE)

    await until(extended)
    go_on.set()
    await gone(db)


async def test_what_was_done_is_not_done_again_when_the_database_was_away(
    outbox: Outbox, db: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment between the mail server's OK and our record of it."""
    deletes, delete = [], queries.delete_job

    async def fails_at_first(*values: Any) -> bool:
        deletes.append(values)
        if len(deletes) < 4:
            raise DatabaseUnavailable
        return await delete(*values)

    monkeypatch.setattr("keyfob.outbox.doing.queries.delete_job", fails_at_first)
    hand = Hand()
    outbox.handle("talk", hand)
    await add(outbox)
    await run(settle=0.01)
    await gone(db)
    assert (len(deletes), hand.said) == (4, ["hello"])


async def test_a_database_that_is_away_and_a_fault_of_ours_stop_no_runner(
    outbox: Outbox, db: Database, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = {"take_due": [DatabaseUnavailable(), LookupError()]}
    faults["extend_leases"] = [DatabaseUnavailable(), LookupError()]
    go_on = asyncio.Event()
    for name, endings in faults.items():
        monkeypatch.setattr(
            f"keyfob.outbox.running.queries.{name}",
            _failing_at_first(getattr(queries, name), endings),
        )

    async def slow(_: Job) -> None:
        await go_on.wait()

    outbox.handle("talk", slow)
    await add(outbox)
    with captured_log() as log:
        await run(extend=0.01)
        await eventually(lambda: not any(faults.values()))
        go_on.set()
        await gone(db)

    assert len(log.named("outbox_waits")) == 2
    assert len(log.named("outbox_failed")) == 2


def _failing_at_first(statement: Any, endings: list[Exception]) -> Any:
    async def ask(*values: Any) -> Any:
        if endings:
            raise endings.pop(0)
        return await statement(*values)

    return ask
