"""Jobs of the outbox: written with a change, done once, tried again, given up."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.logs import captured_log
from tests.fixtures.metrics import value_of
from tests.fixtures.waiting import until
from tests.outbox.jobs import Hand, add, failed, gone, left, list_rows, row

from keyfob.core.database import Database, Tx
from keyfob.core.problems import DatabaseUnavailable
from keyfob.core.secrets import new_id
from keyfob.outbox.errors import GiveUp, TryAgain
from keyfob.outbox.models import PAUSES
from keyfob.outbox.service import OUTBOX_DEAD, OUTBOX_WAITING, Outbox

Run = Any


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
    payloads = {one["id"]: one["payload"] for one in await list_rows(outbox)}
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

    (dead,) = await outbox.list_shown(failed_only=True)
    assert (dead.last_error, dead.failed_at) == ("550 no such box", clock.now())

    assert await outbox.retry([dead.id]) == [dead.id]
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
