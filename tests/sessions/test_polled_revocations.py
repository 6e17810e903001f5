"""Polled revocations: none is missed, in whatever order they commit."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from tests.fixtures.clock import MovableClock
from tests.fixtures.waiting import until

from keyfob.core.database import Database, Tx
from keyfob.sessions import revocation_queries
from keyfob.sessions.refresh_tokens import LAST_GENERATION
from keyfob.sessions.revocation_queries import NOTHING_READ, Mark
from keyfob.sessions.revocations import REVOCATION_LAG, Revocations

ADA, BOB, EVE = (UUID(int=number) for number in (1, 2, 3))


class Watch:
    """A worker that polls, and one that revokes."""

    def __init__(self, db: Database, clock: MovableClock) -> None:
        self.db = db
        self.clock = clock
        self.revocations = Revocations(db, clock, token_ttl=timedelta(minutes=5))

    async def revoke(self, tx: Tx, session_id: UUID, generation: int = LAST_GENERATION) -> None:
        now = self.clock.now()
        until = self.revocations.expiry(now)
        await revocation_queries.revoke(tx, [(session_id, generation)], now, until)

    async def poll(self) -> set[UUID]:
        """Poll once and tell whose tokens are refused."""
        await self.revocations.poll(self.db)
        return {who for who in (ADA, BOB, EVE) if self.revocations.kills(who, 0)}

    async def read(self, mark: Mark) -> tuple[Mark, set[UUID]]:
        """Read from a mark on, as a poll does."""
        reached, records = await revocation_queries.list_revocations_since(
            self.db, mark, self.clock.now()
        )
        return reached, {one.id for one in records}


@pytest.fixture
async def watch(db: Database, clock: MovableClock) -> Watch:
    watch = Watch(db, clock)
    async with db.begin() as tx:
        await watch.revoke(tx, EVE)
    assert await watch.poll() == {EVE}
    return watch


async def test_who_began_first_and_commits_last_is_not_missed(watch: Watch) -> None:
    async with watch.db.begin() as slow:
        await watch.revoke(slow, ADA)
        for _ in range(3):
            async with watch.db.begin() as quick:
                await watch.revoke(quick, BOB)
            assert await watch.poll() == {BOB, EVE}, "and nobody waits for the slow one"

    assert await watch.poll() == {ADA, BOB, EVE}


async def test_who_began_before_the_first_poll_is_not_missed(
    db: Database, clock: MovableClock
) -> None:
    watch = Watch(db, clock)
    async with db.begin() as slow:
        await watch.revoke(slow, ADA)
        assert await watch.poll() == set()

    assert await watch.poll() == {ADA}


async def test_what_was_read_is_not_read_again(watch: Watch) -> None:
    mark, everything = await watch.read(NOTHING_READ)
    assert everything == {EVE}

    async def nothing_is_new() -> bool:
        nonlocal mark
        mark, news = await watch.read(mark)
        return not news

    await until(nothing_is_new)  # other tests' transactions on this server hold the mark, too
    async with watch.db.begin() as tx:
        await watch.revoke(tx, BOB)

    mark, news = await watch.read(mark)
    assert news == {BOB}
    await until(nothing_is_new)


async def test_what_is_rolled_back_is_never_read(watch: Watch) -> None:
    with suppress(RuntimeError):
        async with watch.db.begin() as tx:
            await watch.revoke(tx, ADA)
            assert await watch.poll() == {EVE}
            raise RuntimeError

    assert await watch.poll() == {EVE}


async def test_a_revocation_that_grows_is_read_again(watch: Watch) -> None:
    for generation in (3, 5):
        async with watch.db.begin() as tx:
            await watch.revoke(tx, ADA, generation)
        await watch.poll()
        assert watch.revocations.kills(ADA, generation)
        assert not watch.revocations.kills(ADA, generation + 1)


async def test_the_database_sets_the_mark(watch: Watch) -> None:
    """For any writer: an earlier or later release may not know of it."""
    written = """
        INSERT INTO revocations AS r (id, generation, revoked_at, expires_at)
        VALUES ($1, $2, now(), $3)
        ON CONFLICT (id) DO UPDATE SET generation = EXCLUDED.generation
    """
    until = watch.clock.now() + timedelta(minutes=5)
    for generation in (0, 7):
        await watch.db.execute(written, ADA, generation, until)
        await watch.poll()
        assert watch.revocations.kills(ADA, generation)


async def test_on_another_server_all_is_read(watch: Watch) -> None:
    """Such as a standby that was promoted, and had not counted as far as the lost primary."""
    mark, _ = await watch.read(NOTHING_READ)
    far = str(int(mark.oldest_open) + 1_000_000)

    for strange in (
        replace(mark, server="another", oldest_open=far),
        replace(mark, oldest_open=far),
    ):
        reached, read = await watch.read(strange)
        assert read == {EVE}
        assert reached.server == mark.server
        assert int(reached.oldest_open) < int(far)


async def test_what_can_meet_no_token_is_left_out(watch: Watch) -> None:
    watch.clock.advance(3600)

    assert (await watch.read(NOTHING_READ))[1] == set()


def lag() -> tuple[float, float]:
    """Return the number of observed lags, and their sum."""
    samples = {s.name: s.value for metric in REVOCATION_LAG.collect() for s in metric.samples}
    return samples["keyfob_revocation_lag_seconds_count"], samples[
        "keyfob_revocation_lag_seconds_sum"
    ]


async def test_the_lag_is_observed_once_for_each_and_for_none_of_before_the_start(
    db: Database, clock: MovableClock
) -> None:
    watch = Watch(db, clock)
    before = lag()
    async with db.begin() as tx:
        await watch.revoke(tx, EVE)
    clock.advance(30)
    await watch.poll()
    assert lag() == before

    async with db.begin() as tx:
        await watch.revoke(tx, ADA)
    clock.advance(0.3)
    async with db.begin() as slow:
        await watch.revoke(slow, BOB)
        for _ in range(3):
            await watch.poll()

    after = lag()
    assert after[0] - before[0] == 1
    assert after[1] - before[1] == pytest.approx(0.3)
