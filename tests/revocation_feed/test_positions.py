"""Nothing is missed after a position: in whatever order it commits, whatever database it is."""

from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest
from tests.fixtures.clock import START, MovableClock
from tests.fixtures.feed import Follower, token_of_reader
from tests.fixtures.world import World

from keyfob.core.clock import Clock
from keyfob.core.database import Tx
from keyfob.revocation_feed.models import Position, Reading, Revoked
from keyfob.revocation_feed.service import RevocationFeed
from keyfob.sessions import revocation_queries
from keyfob.sessions.revocations import Revocations

FIVE_MINUTES = timedelta(minutes=5)
ADA, BOB, EVE = (UUID(int=number) for number in (1, 2, 3))


@pytest.fixture
def revocations(world: World) -> Revocations:
    return world.service(Revocations)


def ids_of(entries: list[dict[str, str]]) -> set[UUID]:
    return {UUID(entry["sid"]) for entry in entries}


async def revoke(world: World, *ids: UUID, generation: int = 0) -> None:
    async with world.db.begin() as tx:
        await world.service(Revocations).revoke(tx, [(of, generation) for of in ids])


async def test_a_reader_finds_what_was_revoked_before_it_asked(
    world: World, other: World, follower: Follower
) -> None:
    for number in range(5):
        await revoke(world, UUID(int=number + 1))
        assert ids_of(await follower.poll(by=other)) == {UUID(int=number + 1)}
        assert await follower.poll(by=world) == []


async def test_who_began_first_and_commits_last_is_not_missed(
    world: World, follower: Follower, revocations: Revocations
) -> None:
    async with world.db.begin() as slow:
        await revocations.revoke(slow, [(ADA, 0)])
        await revoke(world, BOB)
        assert ids_of(await follower.poll()) == {BOB}, "and nobody waits for the slow one"
        await revoke(world, EVE)
        assert ids_of(await follower.poll()) == {EVE}, "and nothing is told twice"

    assert ids_of(await follower.poll()) == {ADA}
    assert await follower.poll() == []


async def test_many_that_commit_in_the_reverse_order(
    world: World, follower: Follower, dsn: str
) -> None:
    now = world.service(Clock).now()
    found: list[UUID] = []
    async with AsyncExitStack() as stack:
        open_ones = []
        for number in range(100, 112):
            connection = await asyncpg.connect(dsn)
            stack.push_async_callback(connection.close)
            open_ones.append(connection.transaction())
            await open_ones[-1].start()
            tx = Tx(connection, [])
            await revocation_queries.revoke(tx, [(UUID(int=number), 0)], now, now + FIVE_MINUTES)
        for transaction in reversed(open_ones):
            await revoke(world, EVE)
            found += ids_of(await follower.poll()) - {EVE}
            await transaction.commit()
        found += ids_of(await follower.poll())

    assert found == [UUID(int=number) for number in range(111, 99, -1)], "each once"


def read(position: Position, committed: dict[int, UUID], still_open: set[int]) -> Reading:
    """Read as the database does, at most three revocations."""
    found = [
        Revoked("session", of, 0, START, number)
        for number, of in sorted(committed.items())
        if (number, of) > (position.transaction, position.last_id) or number in position.open
    ]
    return Reading("here", 2000, tuple(still_open), 0, {}, found[:3])


def test_more_open_transactions_than_a_position_names_are_read_again() -> None:
    still_open = set(range(1000, 1200, 2))
    committed = {number: UUID(int=number) for number in range(1001, 1200, 2)}
    position, seen = Position("here", 900), set[UUID]()

    def read_to_the_end() -> None:
        nonlocal position
        for _ in range(200):
            reading = read(position, committed, still_open)
            seen.update(one.id for one in reading.revoked[:2])
            position = reading.reached(position, 2)
            assert len(position.open) <= 64
            if len(reading.revoked) < 3:
                return
        raise AssertionError("it never ends")

    read_to_the_end()
    assert seen == set(committed.values())
    before = position
    while still_open:
        number = still_open.pop()
        committed[number] = UUID(int=number)
        read_to_the_end()
        assert UUID(int=number) in seen
        assert position != before, "or nothing would seem to be new"
        before = position
    read_to_the_end()
    assert (position.transaction, position.open, position.restart) == (1199, (), 0)


async def test_what_is_rolled_back_is_never_told(
    world: World, follower: Follower, revocations: Revocations
) -> None:
    with suppress(RuntimeError):
        async with world.db.begin() as tx:
            await revocations.revoke(tx, [(ADA, 0)])
            await revoke(world, BOB)
            assert ids_of(await follower.poll()) == {BOB}
            raise RuntimeError

    assert await follower.poll() == []
    assert ids_of(await Follower(world, follower.token).poll()) == {BOB}


async def test_a_revocation_that_grows_is_told_again(world: World, follower: Follower) -> None:
    for generation in (3, 5):
        await revoke(world, ADA, generation=generation)
        (entry,) = await follower.poll()
        assert entry["gen"] == generation


async def test_pages_lead_to_the_end_while_more_comes(
    world: World, follower: Follower, revocations: Revocations
) -> None:
    first = [UUID(int=number) for number in range(1, 6001)]
    await revoke(world, *first)
    anew, found = Follower(world, follower.token), set()
    for page in range(20):
        document = await anew.take((await anew.ask(anew.position)).text)
        found |= ids_of(document["entries"])
        if page == 0:
            assert document["complete"]
            assert len(document["entries"]) == 5000
            # Of the same transaction as a page that ended in its middle; and one in the first page.
            await revoke(world, UUID(int=6001), first[0], generation=1)
        if not document["more"]:
            break

    assert found == {*first, UUID(int=6001)}
    assert anew.dead[first[0]] == 1
    assert [one.get("complete", False) for one in anew.documents] == [True, False]
    assert len(await follower.poll()) == 6001, "who had read all before gets pages, too"


async def test_entries_leave_when_nothing_that_they_concern_is_valid(
    world: World, follower: Follower, clock: MovableClock
) -> None:
    token = await token_of_reader(world, ttl=3600)
    await revoke(world, ADA)
    clock.advance(599)
    assert ids_of(await Follower(world, token).poll()) == {ADA}
    clock.advance(1)
    assert await Follower(world, token).poll() == []
    assert await Follower(world, token, follower.position).poll() == []


@pytest.mark.parametrize(
    "after", ["x", "x" * 1024, "%00", "W10", "é", '{"epoch": 1}', "-1", "null"], ids=repr
)
async def test_a_position_that_we_did_not_make_begins_anew(
    world: World, follower: Follower, after: str
) -> None:
    await revoke(world, ADA)
    answer = await follower.ask(after)

    assert answer.status_code == 200
    document = await follower.checked(answer.text)
    assert (document["complete"], ids_of(document["entries"])) == (True, {ADA})


async def test_a_position_with_any_other_character_begins_anew(
    world: World, follower: Follower
) -> None:
    await revoke(world, ADA)
    await follower.poll()
    position = str(follower.position)
    for at in range(0, len(position), 7):
        changed = position[:at] + ("A" if position[at] != "A" else "B") + position[at + 1 :]
        assert (await follower.checked((await follower.ask(changed)).text))["complete"]


async def test_a_cursor_of_another_list_is_no_position(world: World, follower: Follower) -> None:
    await world.make_user()
    root = await world.make_admin()
    page = await world.api.get("/admin/audit?limit=1", headers=root.headers)
    cursor = httpx.QueryParams(page.links["next"]["url"].partition("?")[2])["cursor"]

    assert (await follower.checked((await follower.ask(cursor)).text))["complete"]
    position = {"cursor": follower.position}
    refused = await world.api.get("/admin/audit", params=position, headers=root.headers)
    assert refused.json()["code"] == "invalid_cursor"


async def test_a_table_from_elsewhere_is_a_new_epoch(
    world: World, follower: Follower, clock: MovableClock
) -> None:
    """A dump that is restored brings numbers of another server, lower or higher than ours."""
    await revoke(world, BOB)
    await follower.poll()
    until = clock.now() + FIVE_MINUTES
    await world.db.execute("TRUNCATE revocations")
    await world.db.execute(
        """
        INSERT INTO revocations (id, generation, revoked_at, expires_at, written_by)
        VALUES ($1, 0, $3, $3, '5'), ($2, 0, $3, $3, '5000000000')
        """,
        ADA,
        BOB,
        until,
    )

    assert ids_of(await follower.poll()) == {ADA, BOB}
    assert follower.documents[-1]["complete"]
    await revoke(world, EVE)
    assert ids_of(await follower.poll()) == {EVE}, "though the number of Bob's is higher"
    assert await follower.poll() == []


async def test_a_position_that_is_ahead_of_the_database_begins_anew(
    world: World, follower: Follower
) -> None:
    """As after a failover to a standby that had lost commits, were its epoch the same."""
    feed = world.service(RevocationFeed)
    present = await feed.present()
    ahead = present._replace(transaction=present.transaction + 10_000)

    assert (await follower.checked((await follower.ask(feed.text_of(ahead))).text))["complete"]
