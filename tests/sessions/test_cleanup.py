"""Sessions that ended long ago are deleted in small batches, and no active ones."""

from datetime import timedelta

from tests.fixtures.clock import MovableClock
from tests.fixtures.statements import recorded_statements
from tests.fixtures.world import SignedIn, World

from keyfob.sessions.upkeep import SessionCleanup

RETENTION = timedelta(days=30)


async def ids(world: World) -> set[str]:
    return {str(row["id"]) for row in await world.db.fetch("SELECT id FROM sessions")}


async def test_ended_and_expired_sessions_go_after_their_retention(
    world: World, clock: MovableClock
) -> None:
    await world.make_user()
    ended, idle, kept = [await world.log_in() for _ in range(3)]
    await world.api.delete("/logout", headers=ended.headers)
    sweep = SessionCleanup(db=world.db, clock=clock, retention=RETENTION)

    for _ in range(3):
        clock.advance(days=10)
        kept = SignedIn.of(await world.refresh(kept.refresh))
    await sweep.run()
    assert await ids(world) == {s.session_id for s in (ended, idle, kept)}

    clock.advance(1)
    await sweep.run()
    assert await ids(world) == {idle.session_id, kept.session_id}

    clock.advance(days=90)  # past the absolute end of all, and its retention
    live = await world.log_in()
    await sweep.run()
    assert await ids(world) == {live.session_id}
    assert (await world.refresh(ended.refresh)).status_code == 401
    assert (await world.refresh(live.refresh)).status_code == 200


async def test_spent_revocations_go_and_useful_ones_stay(world: World, clock: MovableClock) -> None:
    await world.make_user()
    first, second = await world.log_in(), await world.log_in()
    await world.api.delete("/logout", headers=first.headers)
    clock.advance(200)
    await world.api.delete("/logout", headers=second.headers)
    sweep = SessionCleanup(db=world.db, clock=clock, retention=RETENTION)
    count = "SELECT count(*) FROM revocations"

    clock.advance(400)
    await sweep.run()
    assert await world.db.fetchval(count) == 2

    clock.advance(1)
    await sweep.run()
    assert await world.db.fetchval(count) == 1

    clock.advance(200)
    await sweep.run()
    assert await world.db.fetchval(count) == 0


async def test_a_great_many_go_in_batches(world: World, clock: MovableClock) -> None:
    await world.make_user()
    for _ in range(5):
        await world.log_in()
    await world.db.execute("UPDATE sessions SET ended_at = login_at")
    clock.advance(days=31)

    with recorded_statements() as seen:
        await SessionCleanup(db=world.db, clock=clock, retention=RETENTION, at_once=2).run()

    assert await ids(world) == set()
    assert sum("DELETE FROM sessions" in statement for statement in seen) == 3
