"""The months of the login log are made while people sign in."""

import asyncio
from datetime import timedelta

from tests.fixtures.clock import MovableClock
from tests.fixtures.waiting import until_somebody_waits

from keyfob.accounts.email import Email
from keyfob.core.database import Database, Executor
from keyfob.devices.source import Source
from keyfob.limits.local import LocalRate
from keyfob.limits.models import Rule
from keyfob.login_log.models import Reason
from keyfob.login_log.queries import drop_month, list_months
from keyfob.login_log.service import LoginLog

SOMEWHERE = Source("203.0.113.7", "")


async def bare_log(db: Database, clock: MovableClock) -> LoginLog:
    """A login log without any month, as on the first day."""
    for month in await list_months(db):
        await drop_month(db, month)
    rate = LocalRate(Rule.parse("throttled-log", "1/minute"), clock)
    return LoginLog(db=db, clock=clock, retention=timedelta(days=400), throttled_rate=rate)


async def sign_in(log: LoginLog, tx: Executor) -> None:
    """Write the row of a refused sign-in."""
    email = Email.parse("ada@example.com")
    await log.refused(tx, email, None, Reason.UNKNOWN_EMAIL, SOMEWHERE)


async def rows_by_month(db: Database) -> dict[str, int]:
    rows = await db.fetch(
        "SELECT tableoid::regclass::text AS month, count(*) FROM login_events GROUP BY 1"
    )
    return {row["month"]: row["count"] for row in rows}


async def test_a_month_is_made_while_sign_ins_are_under_way(
    db: Database, clock: MovableClock
) -> None:
    log = await bare_log(db, clock)
    async with db.begin() as tx:
        await sign_in(log, tx)
        making = asyncio.create_task(log.make_months())
        await until_somebody_waits(db)
        others = [asyncio.create_task(sign_in(log, db)) for _ in range(4)]
        await asyncio.sleep(0)

    await asyncio.gather(making, *others)

    assert await rows_by_month(db) == {"login_events_2026_11": 5}


async def test_what_the_default_one_caught_moves_into_its_month(
    db: Database, clock: MovableClock
) -> None:
    log = await bare_log(db, clock)
    await sign_in(log, db)
    clock.advance(days=20)
    await sign_in(log, db)
    assert await rows_by_month(db) == {"login_events_default": 2}
    clock.advance(days=-20)

    await log.make_months()

    assert await rows_by_month(db) == {"login_events_2026_11": 1, "login_events_2026_12": 1}
    assert await list_months(db) == [
        "login_events_2026_11",
        "login_events_2026_12",
        "login_events_2027_01",
        "login_events_2027_02",
    ]


async def test_workers_that_start_at_once_make_each_month_once(
    db: Database, clock: MovableClock
) -> None:
    log = await bare_log(db, clock)

    await asyncio.gather(*(log.make_months() for _ in range(4)))

    assert len(await list_months(db)) == 4


async def test_a_month_past_its_retention_is_dropped_whole(
    db: Database, clock: MovableClock
) -> None:
    log = await bare_log(db, clock)
    await log.make_months()
    await sign_in(log, db)
    clock.advance(days=400)

    await log.drop_old_months()
    assert await rows_by_month(db) == {"login_events_2026_11": 1}

    clock.advance(days=9)  # November is over for 400 days
    await log.drop_old_months()
    assert await rows_by_month(db) == {}
    assert "login_events_2026_12" in await list_months(db)
