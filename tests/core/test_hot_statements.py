"""Prepared hot statements: one round trip, whatever happens to the connection or the table."""

import asyncio

import asyncpg
import pytest
from tests.core.test_database import connect_all, opened, until_it_answers

from keyfob.core.connections import PlainConnection
from keyfob.core.database import Database
from keyfob.core.problems import DatabaseUnavailable

SUM = "SELECT $1::int + 1 AS sum"


def sums(rows: list[asyncpg.Record]) -> list[int]:
    return [row["sum"] for row in rows]


async def test_it_answers_as_any_statement_does(db: Database) -> None:
    for number in range(3):
        assert sums(await db.fetch_hot(SUM, number)) == [number + 1]
    assert await db.fetch_hot("SELECT 1 WHERE $1::int = 2", 1) == []


async def test_it_is_prepared_once_a_connection(empty_dsn: str) -> None:
    async with opened(empty_dsn) as db:
        for number in range(5):
            await db.fetch_hot(SUM, number)
        held = await db.fetch("SELECT statement FROM pg_prepared_statements WHERE NOT from_sql")

    assert [row["statement"] for row in held].count(SUM) == 1


async def test_a_connection_that_went_back_to_the_pool_prepares_it_anew(db: Database) -> None:
    await db.fetch_hot(SUM, 1)
    await db.rest()

    assert sums(await db.fetch_hot(SUM, 2)) == [3]


async def test_a_connection_that_many_wait_for_does_not_prepare_it_each_time(
    empty_dsn: str,
) -> None:
    prepared = "SELECT name FROM pg_prepared_statements WHERE statement = $1"
    async with opened(empty_dsn, pool_size=1) as db:
        seen = []
        for _ in range(2):
            await asyncio.gather(*(db.fetch_hot(SUM, number) for number in range(20)))
            seen += [row["name"] for row in await db.fetch(prepared, SUM)]

    assert len(seen) == 2
    assert len(set(seen)) == 1


async def test_many_at_once_do_not_share_a_connection(db: Database) -> None:
    answers = await asyncio.gather(*(db.fetch_hot(SUM, number) for number in range(50)))

    assert [sums(rows) for rows in answers] == [[number] for number in range(1, 51)]


@pytest.mark.parametrize("change", ["TYPE bigint", "TYPE text USING n::text"])
async def test_a_migration_of_its_table_goes_unnoticed(db: Database, change: str) -> None:
    await db.execute("CREATE TABLE moving (id int PRIMARY KEY, n int)")
    try:
        await db.execute("INSERT INTO moving VALUES (1, 5)")
        query = "UPDATE moving SET id = id WHERE id = $1 RETURNING n"
        before = await db.fetch_hot(query, 1)
        await db.execute(f"ALTER TABLE moving ALTER COLUMN n {change}")

        after = [await db.fetch_hot(query, 1) for _ in range(3)]
    finally:
        await db.execute("DROP TABLE moving")

    assert [row["n"] for row in before] == [5]
    assert [[str(row["n"]) for row in rows] for rows in after] == [["5"]] * 3


async def test_a_statement_that_fails_costs_no_connection(db: Database) -> None:
    for _ in range(30):
        with pytest.raises(asyncpg.DivisionByZeroError):
            await db.fetch_hot("SELECT 1 / $1::int", 0)

    assert sums(await db.fetch_hot(SUM, 1)) == [2]


async def test_one_that_never_ends_is_a_database_that_is_away(empty_dsn: str) -> None:
    async with opened(empty_dsn, command_timeout=0.3) as db:
        await connect_all(db, 2)
        with pytest.raises(DatabaseUnavailable):
            await db.fetch_hot("SELECT pg_sleep(60 * $1::int)", 1)
        await until_it_answers(db)
        assert sums(await db.fetch_hot(SUM, 1)) == [2]


async def test_where_statements_are_not_kept_none_is_held_ready(empty_dsn: str) -> None:
    connection = await asyncpg.connect(
        empty_dsn, connection_class=PlainConnection, statement_cache_size=0
    )
    try:
        rows = await connection.fetch_prepared(SUM, 1)
        held = await connection.fetchval("SELECT count(*) FROM pg_prepared_statements")
    finally:
        await connection.close()

    assert sums(rows) == [2]
    assert held == 0
