"""Activity is counted, not guessed: each minute once, a long pause not at all, nothing lost."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from drills.harness.proxy import Fault, Proxy
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import SignedIn, World

from keyfob.core.database import Database
from keyfob.core.problems import DatabaseUnavailable
from keyfob.core.secrets import new_id
from keyfob.sessions.activity import Activity
from keyfob.sessions.service import Sessions

IDLE_GAP = 300
FLUSH_EVERY = 60


async def make_account(db: Database) -> UUID:
    """Add an account without the service around."""
    user_id = new_id(START)
    await db.execute(
        "INSERT INTO users (id, email, email_normal, created_at, updated_at)"
        " VALUES ($1, $2, $2, $3, $3)",
        user_id,
        f"{user_id}@example.com",
        START,
    )
    await db.execute("INSERT INTO user_activity (user_id) VALUES ($1)", user_id)
    return user_id


async def total_of(db: Database, user_id: UUID) -> float:
    return float(
        await db.fetchval(
            "SELECT total_active_seconds FROM user_activity WHERE user_id = $1", user_id
        )
    )


def build(db: Database, clock: MovableClock) -> Activity:
    return Activity(db, clock, idle_gap=timedelta(seconds=IDLE_GAP))


async def read_user(world: World, admin: SignedIn, user_id: UUID) -> dict[str, object]:
    answer = await world.api.get(f"/admin/users/{user_id}", headers=admin.headers)
    user: dict[str, object] = answer.raise_for_status().json()
    return user


async def test_activity_is_what_authenticated_requests_show(
    world: World, clock: MovableClock
) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    for _ in range(4):
        clock.advance(50)
        assert (await world.me(ada)).status_code == 200
    await world.service(Sessions).activity.flush()
    admin = await world.make_admin()

    shown = await read_user(world, admin, user_id)
    assert shown["total_active_time"] == 200
    assert shown["online"] is True
    assert shown["last_active_at"] == clock.now().isoformat().replace("+00:00", "Z")

    clock.advance(IDLE_GAP)
    admin = SignedIn.of(await world.refresh(admin.refresh))
    assert (await read_user(world, admin, user_id))["online"] is False


async def test_an_anonymous_or_refused_request_is_no_activity(
    world: World, clock: MovableClock
) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    await world.api.delete("/logout", headers=ada.headers)
    await world.service(Sessions).activity.flush()
    before = await total_of(world.db, user_id)

    clock.advance(60)
    assert (await world.me(ada)).status_code == 401
    await world.api.get("/health/live")
    await world.service(Sessions).activity.flush()

    assert await total_of(world.db, user_id) == before


async def test_two_devices_at_once_count_once(world: World, clock: MovableClock) -> None:
    user_id = await world.make_user()
    phone, laptop = await world.log_in(), await world.log_in()
    for _ in range(10):
        clock.advance(10)
        await world.me(phone)
        clock.advance(2)
        await world.me(laptop)
    await world.service(Sessions).activity.flush()

    assert await total_of(world.db, user_id) == 120
    rows = await world.db.fetch("SELECT id, last_activity_at FROM sessions")
    assert {str(row["id"]): row["last_activity_at"] for row in rows} == {
        phone.session_id: clock.now() - timedelta(seconds=2),
        laptop.session_id: clock.now(),
    }


async def test_two_workers_count_the_same_minute_once(db: Database, clock: MovableClock) -> None:
    user_id, session_id = await make_account(db), new_id(START)
    first, second = build(db, clock), build(db, clock)
    for worker in (first, second, first, second):
        worker.touch(user_id, session_id)
        clock.advance(20)

    await asyncio.gather(first.flush(), second.flush())
    clock.advance(20)
    second.touch(user_id, session_id)
    await second.flush()

    # In whatever order the two came: at most the start of the first window, 20 s, is not seen.
    assert 80 <= await total_of(db, user_id) <= 100


async def test_a_pause_longer_than_the_idle_gap_does_not_count(
    db: Database, clock: MovableClock
) -> None:
    user_id, session_id = await make_account(db), new_id(START)
    activity = build(db, clock)
    for pause in (0, 10, IDLE_GAP, IDLE_GAP + 1, 7, 3600, 3):
        clock.advance(pause)
        activity.touch(user_id, session_id)
        await activity.flush()

    assert await total_of(db, user_id) == 10 + IDLE_GAP + 7 + 3


async def test_a_pause_between_two_flushes_does_not_count_either(
    db: Database, clock: MovableClock
) -> None:
    # As it is after minutes without the database, when flushes were put off.
    user_id, session_id = await make_account(db), new_id(START)
    activity = build(db, clock)
    for pause in (0, 10, IDLE_GAP + 1, 20, 3600, 5):
        clock.advance(pause)
        activity.touch(user_id, session_id)
    await activity.flush()

    assert await total_of(db, user_id) == 35


async def test_a_flush_that_fails_keeps_what_was_collected(
    db: Database, dsn: str, clock: MovableClock
) -> None:
    user_id, session_id = await make_account(db), new_id(START)
    async with Proxy(dsn).running() as proxy:
        away = Database(proxy.dsn, acquire_timeout=20)
        await away.open()
        await proxy.begin(Fault.CLOSED)
        activity = build(away, clock)
        for pause in (0, 30, IDLE_GAP + 1, 40):
            clock.advance(pause)
            activity.touch(user_id, session_id)
            with pytest.raises(DatabaseUnavailable):
                await activity.flush()

        await proxy.end()
        await activity.flush()
        assert await total_of(db, user_id) == 70

        await activity.flush()
        assert await total_of(db, user_id) == 70
        await away.close()


async def test_touches_that_come_during_a_failing_flush_are_kept_too(
    db: Database, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id, session_id = await make_account(db), new_id(START)
    activity = build(db, clock)
    activity.touch(user_id, session_id)
    clock.advance(25)
    activity.touch(user_id, session_id)

    async def fail(*_: object) -> None:
        clock.advance(25)
        activity.touch(user_id, session_id)
        raise DatabaseUnavailable

    with monkeypatch.context() as patch:
        patch.setattr("keyfob.sessions.upkeep_queries.update_activity", fail)
        with pytest.raises(DatabaseUnavailable):
            await activity.flush()
    await activity.flush()

    assert await total_of(db, user_id) == 50


async def test_a_flush_is_one_statement_and_none_where_nothing_happened(
    db: Database, clock: MovableClock
) -> None:
    users = [await make_account(db) for _ in range(20)]
    activity = build(db, clock)

    with recorded_statements() as seen:
        await activity.flush()
        assert seen == []
        for user_id in users:
            activity.touch(user_id, new_id(START))
            activity.touch(user_id, new_id(START))
        await activity.flush()

    assert len(seen) == 1


async def test_what_was_deleted_meanwhile_does_no_harm(db: Database, clock: MovableClock) -> None:
    gone, there = new_id(START), await make_account(db)
    activity = build(db, clock)
    for user_id in (gone, there):
        activity.touch(user_id, new_id(START))
    clock.advance(10)
    for user_id in (gone, there):
        activity.touch(user_id, new_id(START))

    await activity.flush()

    assert await total_of(db, there) == 10


async def test_a_session_that_is_being_changed_holds_no_flush_up(
    world: World, clock: MovableClock
) -> None:
    user_id = await world.make_user()
    ada = await world.log_in()
    clock.advance(10)
    await world.me(ada)

    async with world.db.begin() as tx:
        await tx.execute("SELECT FROM sessions FOR UPDATE")
        await world.service(Sessions).activity.flush()

    assert await total_of(world.db, user_id) == 10


def counted(times: list[float]) -> float:
    """Return the time that should count: pauses between touches within the gap."""
    times = sorted(times)
    return sum(b - a for a, b in pairwise(times) if b - a <= IDLE_GAP)


class Workers:
    """A few workers that touch one account, each with a clock of its own to set."""

    def __init__(self, db: Database, user_id: UUID, count: int) -> None:
        self._user_id = user_id
        self._clocks = [MovableClock() for _ in range(count)]
        self._workers = [build(db, clock) for clock in self._clocks]

    def touch(self, worker: int, at: float) -> None:
        self._clocks[worker].set(START + timedelta(seconds=at))
        self._workers[worker].touch(self._user_id, UUID(int=worker))

    async def flush(self, worker: int) -> None:
        await self._workers[worker].flush()


pauses = st.one_of(
    st.integers(0, 20), st.integers(IDLE_GAP - 2, IDLE_GAP + 2), st.integers(0, 4 * IDLE_GAP)
)


def test_one_worker_counts_exactly_whenever_it_flushes(dsn: str) -> None:
    async def count(db: Database, steps: list[tuple[int, bool]]) -> tuple[float, float]:
        user_id = await make_account(db)
        workers, now, touched = Workers(db, user_id, 1), 0.0, []
        for pause, flushes in steps:
            now += pause
            touched.append(now)
            workers.touch(0, now)
            if flushes:
                await workers.flush(0)
        await workers.flush(0)
        return await total_of(db, user_id), counted(touched)

    with asyncio.Runner() as runner:
        db = Database(dsn, pool_size=2)
        runner.run(db.open())

        @settings(max_examples=60, deadline=None)
        @given(st.lists(st.tuples(pauses, st.booleans()), min_size=1, max_size=25))
        def assert_holds(steps: list[tuple[int, bool]]) -> None:
            total, expected = runner.run(count(db, steps))
            assert total == pytest.approx(expected)

        assert_holds()
        runner.run(db.close())


Windows = list[tuple[int, list[tuple[float, int]], list[int]]]

windows_of_flushes = st.lists(
    st.tuples(
        pauses,
        st.lists(st.tuples(st.floats(0, FLUSH_EVERY), st.integers(0, 2)), min_size=1, max_size=6),
        st.permutations([0, 1, 2]),
    ),
    min_size=1,
    max_size=8,
)


async def count_windows(db: Database, windows: Windows, *, in_turn: bool) -> tuple[float, float]:
    """Let three workers flush once a window, in any order or in that of their first touches."""
    user_id = await make_account(db)
    workers, start, touched = Workers(db, user_id, 3), 0.0, []
    for pause, touches, order in windows:
        start += pause
        for offset, worker in sorted(touches):
            touched.append(start + offset)
            workers.touch(worker, start + offset)
        by_first_touch = list(dict.fromkeys(worker for _, worker in sorted(touches)))
        for worker in by_first_touch if in_turn else order:
            await workers.flush(worker)
        start += FLUSH_EVERY
    return await total_of(db, user_id), counted(touched)


def test_several_workers_count_each_moment_once(dsn: str) -> None:
    with asyncio.Runner() as runner:
        db = Database(dsn, pool_size=2)
        runner.run(db.open())

        @settings(max_examples=50, deadline=None)
        @given(windows_of_flushes)
        def assert_holds(windows: Windows) -> None:
            total, expected = runner.run(count_windows(db, windows, in_turn=True))
            assert total == pytest.approx(expected, abs=1e-3)
            # A later touch that is written first may hide what came before it, never double it.
            total, expected = runner.run(count_windows(db, windows, in_turn=False))
            assert total <= expected + 1e-3

        assert_holds()
        runner.run(db.close())
