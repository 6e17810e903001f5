"""Jobs of the outbox: written with a change, done once, tried again, given up."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.killing import kill_outbox_runners
from tests.fixtures.logs import captured_log
from tests.fixtures.metrics import value_of
from tests.fixtures.waiting import until
from tests.outbox.conftest import KEY, MakeOutbox

from keyfob.core.database import Database, Tx
from keyfob.core.problems import DatabaseUnavailable
from keyfob.core.secrets import new_id
from keyfob.core.telemetry import OUTBOX_DEAD, OUTBOX_WAITING
from keyfob.outbox import queries
from keyfob.outbox.errors import GiveUp, TryAgain
from keyfob.outbox.models import PAUSES, Job
from keyfob.outbox.running import LEASE, OutboxRunner
from keyfob.outbox.service import Outbox

Run = Any


class Hand:
    """A handler that writes down what it was given, and ends as it was told."""

    def __init__(self, *endings: Exception | None) -> None:
        self.jobs: list[Job] = []
        self.endings = list(endings)

    async def __call__(self, job: Job) -> None:
        self.jobs.append(job)
        ending = self.endings.pop(0) if self.endings else None
        if ending is not None:
            raise ending

    @property
    def said(self) -> list[Any]:
        return [job.payload["say"] for job in self.jobs]


async def add(outbox: Outbox, say: object = "hello", **more: Any) -> None:
    async with outbox.db.begin() as tx:
        await outbox.add(tx, "talk", {"say": say}, **more)


async def left(db: Database) -> int:
    count: int = await db.fetchval("SELECT count(*) FROM outbox")
    return count


async def gone(db: Database) -> None:
    async def empty() -> bool:
        return await left(db) == 0

    await until(empty)


async def row(db: Database) -> Any:
    return await db.fetchrow("SELECT * FROM outbox")


async def failed(db: Database, runner: OutboxRunner, times: int) -> None:
    async def so_often() -> bool:
        found = await row(db)
        return found["attempts"] == times and found["last_error"] is not None

    runner.wake()
    await until(so_often)


async def postponed(db: Database, due_at: datetime) -> None:
    async def is_due_then() -> bool:
        return bool((await row(db))["due_at"] == due_at)

    await until(is_due_then)


async def given_up(db: Database) -> bool:
    return (await row(db))["failed_at"] is not None


async def test_a_job_is_done_and_gone(outbox: Outbox, db: Database, run: Run) -> None:
    hand = Hand()
    outbox.handle("talk", hand)
    await run()

    await add(outbox)
    await gone(db)

    (job,) = hand.jobs
    assert (job.kind, job.payload, job.user_id, job.attempts) == ("talk", {"say": "hello"}, None, 1)


async def test_what_is_rolled_back_is_never_done(outbox: Outbox, db: Database, run: Run) -> None:
    hand = Hand()
    outbox.handle("talk", hand)

    async def change_our_mind() -> None:
        async with db.begin() as tx:
            await outbox.add(tx, "talk", {"say": "rolled back"})
            raise KeyError

    with pytest.raises(KeyError):
        await change_our_mind()

    await add(outbox, "committed")
    await run()
    await gone(db)
    assert hand.said == ["committed"]


async def test_the_payload_is_sealed_and_bound_to_its_row(outbox: Outbox, db: Database) -> None:
    await add(outbox, "a secret of Ada")
    await add(outbox, "a secret of Bob")
    rows = await db.fetch("SELECT * FROM outbox ORDER BY ctid")

    assert not [one for one in rows if b"secret" in one["payload"]]

    await db.execute("UPDATE outbox SET payload = $1", rows[0]["payload"])
    payloads = {one["id"]: one["payload"] for one in await outbox.list_rows()}
    assert payloads == {rows[0]["id"]: {"say": "a secret of Ada"}, rows[1]["id"]: None}


async def test_a_job_that_fails_comes_back_after_growing_pauses_and_then_no_more(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    hand = Hand(*[TryAgain("busy")] * (len(PAUSES) + 1))
    outbox.handle("talk", hand)
    await add(outbox)
    runner = await run()

    for times, pause in enumerate(PAUSES, 1):
        runner.wake()
        await postponed(db, clock.now() + pause)
        assert (await row(db))["attempts"] == times
        clock.advance(pause.total_seconds())

    runner.wake()
    await until(lambda: given_up(db))
    found = await row(db)
    assert (found["failed_at"], found["last_error"]) == (clock.now(), "busy")
    assert sum(PAUSES, timedelta()) > timedelta(days=1, hours=23)


async def test_what_is_given_up_is_a_dead_letter_at_once(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    hand = Hand(GiveUp("550 no such box"))
    outbox.handle("talk", hand)
    await add(outbox)
    runner = await run()
    await failed(db, runner, 1)

    (dead,) = await outbox.list_rows(failed_only=True)
    assert (dead["last_error"], dead["failed_at"]) == ("550 no such box", clock.now())

    assert await outbox.retry([dead["id"]]) == [dead["id"]]
    await gone(db)
    assert hand.said == ["hello", "hello"]


async def test_dead_letters_are_deleted_after_thirty_days(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    outbox.handle("talk", Hand(GiveUp("no")))
    await add(outbox)
    await failed(db, await run(), 1)

    clock.advance(days=30)
    await outbox.delete_old()
    assert await left(db) == 1

    clock.advance(1)
    await outbox.delete_old()
    assert await left(db) == 0


async def test_a_fault_of_ours_is_logged_and_tried_again(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    hand = Hand(LookupError("of ada@example.com"))
    outbox.handle("talk", hand)
    await add(outbox)
    with captured_log() as log:
        runner = await run()
        await failed(db, runner, 1)

    assert (await row(db))["last_error"] == "a fault of ours: LookupError"
    assert len(log.named("outbox_job_failed")) == 1
    assert "ada@example.com" not in log.getvalue()

    clock.advance(5)
    await gone(db)
    assert hand.said == ["hello", "hello"]


async def test_what_has_expired_is_dropped(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    hand = Hand()
    outbox.handle("talk", hand)
    await add(outbox, expires_at=clock.now() + timedelta(minutes=30))
    clock.advance(minutes=30)

    await run()
    await gone(db)
    assert hand.jobs == []


async def test_what_would_expire_before_its_next_try_is_dropped(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    outbox.handle("talk", Hand(TryAgain("busy")))
    await add(outbox, expires_at=clock.now() + PAUSES[0])

    await run()
    await gone(db)


async def test_a_dead_letter_that_has_expired_is_not_tried_again(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    outbox.handle("talk", Hand(GiveUp("no")))
    await add(outbox, expires_at=clock.now() + timedelta(minutes=30))
    await failed(db, await run(), 1)
    clock.advance(minutes=30)

    assert await outbox.retry() == []


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
    await until(lambda: _true(both.n_waiting == 0))
    assert len(done) == 1


async def _true(value: bool) -> bool:
    await asyncio.sleep(0)
    return value


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


async def test_one_job_at_a_time_finds_out_whether_the_world_is_back(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    """A hundred mails and a server that is away: not a hundred time-outs, and none loses a try."""
    away, tries = True, 0

    async def speak(_: Job) -> None:
        nonlocal tries
        tries += 1
        if away:
            raise TryAgain("away", for_all=True)

    outbox.handle("talk", speak)
    async with db.begin() as tx:
        for number in range(100):
            await outbox.add(tx, "talk", {"say": number})
    runner = await run()

    async def tried() -> bool:
        return bool(await db.fetchval("SELECT count(*) FROM outbox WHERE last_error = 'away'"))

    await until(tried)
    for _ in range(3):
        before = tries
        clock.advance(30)
        runner.wake()
        await until(lambda before=before: _true(tries > before))  # type: ignore[misc] # a default
    assert tries <= 8 + 3 * 2

    away = False
    clock.advance(hours=2)
    runner.wake()
    await gone(db)


async def test_an_answer_to_one_job_says_that_the_world_is_back(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    """Threat: after an outage every probe meets a recipient whose server is slow, or refuses."""
    done: list[str] = []
    away = True

    async def speak(job: Job) -> None:
        if away:
            raise TryAgain("away", for_all=True)
        if job.payload["say"] == 0:
            raise TryAgain("not to you", slow=True)
        done.append(job.payload["say"])

    outbox.handle("talk", speak)
    await add(outbox, 0)
    runner = await run()
    await failed(db, runner, 1)
    for number in range(1, 11):
        await add(outbox, number)

    away = False
    clock.advance(5)
    runner.wake()
    await until(lambda: _true(len(done) == 10))

    async def waits_among_its_like() -> bool:
        return [found["kind"] for found in await db.fetch("SELECT kind FROM outbox")] == [
            "talk.slow"
        ]

    await until(waits_among_its_like)


async def test_other_kinds_go_on_while_one_pauses(outbox: Outbox, db: Database, run: Run) -> None:
    hand = Hand()

    async def away(_: Job) -> None:
        raise TryAgain("away", for_all=True)

    outbox.handle("mail", away)
    outbox.handle("talk", hand)
    async with db.begin() as tx:
        await outbox.add(tx, "mail", {})
    runner = await run()
    await failed(db, runner, 1)

    await add(outbox)
    await until(lambda: _true(hand.said == ["hello"]))


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


async def test_jobs_of_a_person_go_with_the_person(outbox: Outbox, db: Database) -> None:
    user_id = new_id(outbox.clock.now())

    async def write(tx: Tx) -> None:
        await tx.execute(
            "INSERT INTO users (id, email, email_normal, role, status, created_at, updated_at)"
            " VALUES ($1, 'a@b.c', 'a@b.c', 'user', 'active', now(), now())",
            user_id,
        )
        await outbox.add(tx, "talk", {"say": "to Ada"}, user_id=user_id)

    async with db.begin() as tx:
        await write(tx)
    assert await left(db) == 1

    await db.execute("DELETE FROM users WHERE id = $1", user_id)
    assert await left(db) == 0


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
        await until(lambda: _true(not any(faults.values())))
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


async def test_a_handler_that_finds_the_database_away_is_called_again(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    hand = Hand(DatabaseUnavailable())
    outbox.handle("talk", hand)
    await add(outbox)
    with captured_log() as log:
        runner = await run()
        await failed(db, runner, 1)

    assert (await row(db))["last_error"] == "database_unavailable"
    assert log.named("outbox_job_failed") == []
    clock.advance(5)
    await gone(db)


async def test_the_gauges_tell_what_waits_and_what_is_dead(
    outbox: Outbox, db: Database, run: Run
) -> None:
    outbox.handle("talk", Hand(GiveUp("no")))
    await add(outbox)
    runner = await run()
    await failed(db, runner, 1)
    await runner.stop()
    await add(outbox)
    await add(outbox)

    await outbox.measure()

    assert (value_of(OUTBOX_WAITING), value_of(OUTBOX_DEAD)) == (2, 1)
