"""Refreshes of one moment leave in one statement, and none of them waits for another's trouble."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from tests.core.test_database import opened
from tests.fixtures.clock import MovableClock
from tests.fixtures.statements import recorded_statements
from tests.fixtures.waiting import until_so_many_wait, until_somebody_waits
from tests.fixtures.world import SignedIn, World

from keyfob.core.addresses import set_asker
from keyfob.core.database import Database
from keyfob.core.problems import DatabaseUnavailable
from keyfob.sessions.models import SessionState
from keyfob.sessions.refresh_tokens import RefreshToken, RefreshTokenCodec
from keyfob.sessions.rotation import Rotations
from keyfob.settings import Settings

KEY = 39  # of the advisory lock that a row of `stubborn` waits for

_MORE = """
    INSERT INTO sessions
    SELECT made.*
      FROM (SELECT to_jsonb(s) AS row FROM sessions AS s LIMIT 1) AS one,
           (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)) AS fresh,
           jsonb_populate_record(NULL::sessions, row || jsonb_build_object('id', fresh.id)) AS made
    RETURNING id
"""
_STUBBORN = f"""
    CREATE TABLE stubborn (id uuid, fails boolean);
    CREATE FUNCTION hesitate() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT FROM stubborn WHERE id = new.id AND fails) THEN
                RAISE EXCEPTION 'this row cannot be changed';
            ELSIF EXISTS (SELECT FROM stubborn WHERE id = new.id) THEN
                PERFORM pg_advisory_xact_lock({KEY});
            END IF;
            RETURN new;
        END
    $$;
    CREATE TRIGGER hesitate BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION hesitate()
"""
_PLIABLE = "DROP TABLE stubborn; DROP FUNCTION hesitate CASCADE"


@dataclass
class Held:
    """Sessions of one user with their tokens, and what rotates them."""

    world: World
    clock: MovableClock
    tokens: list[RefreshToken]

    def rotations(self, db: Database | None = None, most: int = 256) -> Rotations:
        idle_ttl = timedelta(days=14)
        return Rotations(db or self.world.db, self.clock, idle_ttl=idle_ttl, most=most)

    async def generations(self) -> list[int]:
        """Return the generation of each session, in the order of the tokens."""
        rows = await self.world.db.fetch("SELECT id, generation FROM sessions")
        found = {row["id"]: row["generation"] for row in rows}
        return [found[token.session_id] for token in self.tokens]

    async def transactions(self) -> int:
        """Return the number of transactions that the present rows were written in."""
        query = "SELECT count(DISTINCT xmin::text) FROM sessions WHERE id = ANY($1::uuid[])"
        ids = [token.session_id for token in self.tokens]
        return int(await self.world.db.fetchval(query, ids))


@pytest.fixture
async def hold(world: World, clock: MovableClock) -> Callable[[int], Any]:
    async def hold(number: int) -> Held:
        await world.make_user()
        first = world.service(RefreshTokenCodec).read((await world.log_in()).refresh)
        assert first is not None
        rows = await world.db.fetch(_MORE, number)
        return Held(world, clock, [RefreshToken(row["id"], 0, first.salt) for row in rows])

    return hold


@pytest.fixture
async def stubborn(world: World) -> AsyncIterator[Callable[..., Any]]:
    """Make changes of a row wait for the advisory lock `KEY`, or fail."""

    async def add(token: RefreshToken, *, fails: bool = False) -> None:
        await world.db.execute("INSERT INTO stubborn VALUES ($1, $2)", token.session_id, fails)

    await world.db.execute(_STUBBORN)
    try:
        yield add
    finally:
        await world.db.execute(_PLIABLE)


async def rotate_all(rotations: Rotations, tokens: list[RefreshToken]) -> list[SessionState | None]:
    return await asyncio.gather(*map(rotations.rotate, tokens))


async def test_those_of_one_moment_are_one_statement(hold: Any) -> None:
    held = await hold(40)

    with recorded_statements() as alone:
        states = await rotate_all(held.rotations(), held.tokens)

    assert alone == []
    assert [state.generation for state in states if state] == [1] * 40
    assert await held.generations() == [1] * 40
    assert await held.transactions() == 1


async def test_each_gets_what_the_single_statement_returns(hold: Any) -> None:
    held = await hold(3)
    single = await held.rotations().rotate(held.tokens[0])

    of_two = await rotate_all(held.rotations(), held.tokens[1:])

    assert single is not None
    assert of_two == [single, single]


async def test_with_one_at_most_each_goes_alone(hold: Any) -> None:
    held = await hold(5)

    states = await rotate_all(held.rotations(most=1), held.tokens)

    assert None not in states
    assert await held.transactions() == 5


async def test_what_may_not_rotate_does_not_and_hinders_nobody(
    hold: Any, clock: MovableClock
) -> None:
    held = await hold(8)
    ended, idle, expired, old, foreign, twice, *good = held.tokens
    change = "UPDATE sessions SET {} WHERE id = $1"
    await held.world.db.execute(change.format("ended_at = now()"), ended.session_id)
    await held.world.db.execute(change.format("last_activity_at = '2001-01-01'"), idle.session_id)
    await held.world.db.execute(change.format("expires_at = '2001-01-01'"), expired.session_id)
    await held.world.db.execute(change.format("generation = 1"), old.session_id)
    asked = [ended, idle, expired, old, foreign._replace(salt=bytes(16)), twice, twice, *good]

    states = await rotate_all(held.rotations(), asked)

    moved = [state is not None for state in states]
    assert moved[:5] == [False] * 5
    assert sorted(moved[5:7]) == [False, True]
    assert moved[7:] == [True, True]
    assert await held.generations() == [0, 0, 0, 1, 0, 1, 1, 1]


async def test_a_locked_row_holds_up_its_own_refresh_alone(hold: Any) -> None:
    held = await hold(6)
    locked, *others = held.tokens
    rotations = held.rotations()
    async with held.world.db.begin() as tx:
        await tx.execute("SELECT FROM sessions WHERE id = $1 FOR UPDATE", locked.session_id)
        waiting = asyncio.create_task(rotations.rotate(locked))
        states = await rotate_all(rotations, others)
        await until_somebody_waits(held.world.db)
        assert not waiting.done()

    assert None not in states
    assert await waiting is not None
    assert await held.generations() == [1] * 6


@pytest.fixture
async def row_by_row(settings: Settings) -> AsyncIterator[Database]:
    """A database whose plans lock one row and change it before they come to the next."""
    off = "&".join(f"enable_{way}=off" for way in ("hashjoin", "mergejoin", "seqscan"))
    joint = "&" if "?" in settings.dsn else "?"
    async with opened(f"{settings.dsn}{joint}{off}") as db:
        yield db


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        ("generation = generation + 1", False),
        ("ended_at = now()", False),
        ("role = 'moderator'", True),
    ],
    ids=["rotated", "ended", "changed"],
)
async def test_a_row_that_changes_meanwhile_is_judged_as_it_is_then(
    hold: Any, stubborn: Any, row_by_row: Database, change: str, *, moves: bool
) -> None:
    held = await hold(2)
    first, second = held.tokens
    await stubborn(first)
    rotations = held.rotations(row_by_row)
    async with held.world.db.begin() as tx:
        await tx.execute(f"SELECT pg_advisory_xact_lock({KEY})")
        batch = asyncio.create_task(rotate_all(rotations, [first, second]))
        await until_somebody_waits(held.world.db)
        # The batch began before this, and has not come to the second row.
        changed = await held.world.db.execute(
            f"UPDATE sessions SET {change} WHERE id IN"
            " (SELECT id FROM sessions WHERE id = $1 FOR UPDATE SKIP LOCKED)",
            second.session_id,
        )

    state, of_second = await batch

    assert changed == "UPDATE 1"
    assert state is not None
    assert (of_second is not None) == moves
    if of_second is not None:
        assert of_second.role == "moderator"
        assert await held.transactions() == 1


async def test_workers_that_rotate_the_same_sessions_move_each_once(
    hold: Any, settings: Settings
) -> None:
    held = await hold(12)
    touch = "UPDATE sessions SET last_activity_at = greatest(last_activity_at, $1)"

    async def keep_touching() -> None:
        for _ in range(10):
            await held.world.db.execute(touch, held.clock.now())

    async with opened(settings.dsn) as one, opened(settings.dsn) as two:
        workers = [held.rotations(db) for db in (one, two, one, two)]
        touching = asyncio.create_task(keep_touching())
        for generation in range(8):
            tokens = [token._replace(generation=generation) for token in held.tokens]
            ways = (tokens, tokens[::-1], tokens[6:] + tokens[:6], tokens[::2])
            answers = await asyncio.gather(
                *(rotate_all(worker, way) for worker, way in zip(workers, ways, strict=True))
            )
            moved = [state for states in answers for state in states if state]
            assert [state.generation for state in moved] == [generation + 1] * 12
        await touching

    assert await held.generations() == [8] * 12


async def test_fifty_of_one_token_among_many_others_over_http(pair: tuple[World, World]) -> None:
    await pair[0].make_user()
    shared = await pair[0].log_in()
    others = [await pair[0].log_in() for _ in range(12)]
    asked = [shared.refresh] * 25 + [one.refresh for one in others] + [shared.refresh] * 25

    answers = await asyncio.gather(
        *(pair[number % 2].refresh(token) for number, token in enumerate(asked))
    )

    given = [SignedIn.of(answer) for answer in answers]
    assert {one.session_id for one in given[:25] + given[37:]} == {shared.session_id}
    assert len({one.refresh for one in given[:25] + given[37:]}) == 1
    assert [one.session_id for one in given[25:37]] == [one.session_id for one in others]
    assert await pair[0].db.fetchval("SELECT array_agg(DISTINCT generation) FROM sessions") == [1]
    assert {(await pair[1].refresh(one.refresh)).status_code for one in given[24:38]} == {200}


async def test_a_row_that_cannot_be_changed_fails_alone(hold: Any, stubborn: Any) -> None:
    held = await hold(4)
    await stubborn(held.tokens[0], fails=True)

    first, *others = await asyncio.gather(
        *map(held.rotations().rotate, held.tokens), return_exceptions=True
    )

    assert isinstance(first, asyncpg.RaiseError)
    assert all(isinstance(state, SessionState) for state in others)
    assert await held.generations() == [0, 1, 1, 1]


async def test_without_a_database_each_is_refused_in_time(hold: Any) -> None:
    held = await hold(4)
    async with opened("postgresql://nobody@127.0.0.1:1/nothing") as away:
        answers = await asyncio.gather(
            *map(held.rotations(away).rotate, held.tokens), return_exceptions=True
        )

    assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 4


async def test_one_that_is_given_up_takes_nobody_with_it(hold: Any, stubborn: Any) -> None:
    held = await hold(4)
    await stubborn(held.tokens[1])
    rotations = held.rotations()
    async with held.world.db.begin() as tx:
        await tx.execute(f"SELECT pg_advisory_xact_lock({KEY})")
        given_up, *waiting = [asyncio.create_task(rotations.rotate(one)) for one in held.tokens]
        await until_somebody_waits(held.world.db)
        given_up.cancel()

    states = await asyncio.gather(*waiting)

    assert None not in states
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_batches_that_do_not_come_back_hold_up_nobody(hold: Any, stubborn: Any) -> None:
    held = await hold(12)
    rotations = held.rotations()
    for token in held.tokens[:8:2]:
        await stubborn(token)
    async with held.world.db.begin() as tx:
        await tx.execute(f"SELECT pg_advisory_xact_lock({KEY})")
        stuck = []
        for number in (1, 2, 3, 4):  # as many as may be under way
            two = held.tokens[2 * number - 2 : 2 * number]
            stuck.append(asyncio.create_task(rotate_all(rotations, two)))
            await until_so_many_wait(held.world.db, number)

        states = await rotate_all(rotations, held.tokens[8:])

        assert not any(task.done() for task in stuck)
        assert None not in states
    assert None not in [state for states in await asyncio.gather(*stuck) for state in states]


async def test_a_client_with_many_under_way_does_not_make_another_wait(
    hold: Any, settings: Settings
) -> None:
    held = await hold(61)
    done: list[UUID] = []

    async def rotate(rotations: Rotations, token: RefreshToken) -> None:
        await rotations.rotate(token)
        done.append(token.session_id)

    def send(address: str, token: RefreshToken) -> asyncio.Task[None]:
        context = copy_context()
        context.run(set_asker, lambda: address)
        return asyncio.create_task(rotate(rotations, token), context=context)

    async with opened(settings.dsn, pool_size=1) as db:
        rotations = held.rotations(db, most=10)
        *many, victim = held.tokens
        tasks = [send("192.0.2.1", token) for token in many]
        tasks.append(send("198.51.100.2", victim))
        await asyncio.gather(*tasks)

    assert done.index(victim.session_id) < 20
