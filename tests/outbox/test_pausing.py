"""While another system is down, one job tests whether it is back; other kinds continue."""

from typing import Any

from tests.fixtures.clock import MovableClock
from tests.fixtures.waiting import until
from tests.fixtures.world import eventually
from tests.outbox.jobs import Hand, add, failed, gone

from keyfob.core.database import Database
from keyfob.outbox.errors import TryAgain
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox

Run = Any


async def test_one_job_at_a_time_finds_out_whether_the_world_is_back(
    outbox: Outbox, db: Database, clock: MovableClock, run: Run
) -> None:
    """A hundred mails and a server that is down: few time-outs, and no attempt is used up."""
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
        await eventually(lambda before=before: tries > before)
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
    await eventually(lambda: len(done) == 10)

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
    await eventually(lambda: hand.said == ["hello"])
