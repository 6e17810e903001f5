"""The pool: waits are bounded, an outage is always the same refusal, and no connection is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest
from drills.harness.proxy import Fault, Proxy
from tests.fixtures.world import eventually

from keyfob.core.addresses import set_asker
from keyfob.core.database import Database, translated_faults
from keyfob.core.problems import DatabaseUnavailable


@asynccontextmanager
async def opened(dsn: str, **options: Any) -> AsyncIterator[Database]:
    """Yield a pool that waits for long, except where a test says otherwise."""
    database = Database(dsn, **{"acquire_timeout": 20, "command_timeout": 20, **options})
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def connect_all(database: Database, number: int) -> None:
    """Open so many connections: a short limit is for what follows, and not for a busy machine."""
    async with asyncio.timeout(30):
        while database.size < number:
            with suppress(DatabaseUnavailable):
                async with AsyncExitStack() as lent:
                    for _ in range(number):
                        await lent.enter_async_context(database.connection())


WAYS: list[Callable[[Database], Coroutine[Any, Any, Any]]] = [
    lambda db: db.fetch("SELECT 1 AS one"),
    lambda db: db.fetchrow("SELECT 1 AS one"),
    lambda db: db.fetchval("SELECT 1 AS one"),
    lambda db: db.execute("SELECT 1 AS one"),
]


async def test_each_way_to_ask_answers_in_its_form(db: Database) -> None:
    rows, row, value, tag = [await way(db) for way in WAYS]

    assert [row["one"] for row in rows] == [1]
    assert row["one"] == value == 1
    assert tag == "SELECT 1"
    assert await db.fetchrow("SELECT WHERE false") is None
    assert await db.fetchval("SELECT '{\"a\": [1, null]}'::jsonb") == {"a": [1, None]}
    assert await db.fetchval("SELECT $1::jsonb ->> 'a'", {"a": "b"}) == "b"


async def test_a_transaction_is_whole_or_nothing(db: Database) -> None:
    insert = "INSERT INTO attempts (key, count, expires_at) VALUES ($1, 1, now())"
    async with db.begin() as tx:
        await tx.execute(insert, "kept")
    with pytest.raises(RuntimeError):
        await insert_and_fail(db, insert)

    assert [row["key"] for row in await db.fetch("SELECT key FROM attempts")] == ["kept"]


async def insert_and_fail(db: Database, insert: str) -> None:
    async with db.begin() as tx:
        await tx.execute(insert, "lost")
        raise RuntimeError


@pytest.mark.parametrize("way", WAYS)
async def test_a_pool_that_is_all_lent_is_waited_for_and_then_refused(
    dsn: str, way: Callable[[Database], Coroutine[Any, Any, Any]]
) -> None:
    async with opened(dsn, pool_size=2, acquire_timeout=0.3) as database:
        await connect_all(database, 2)
        async with database.connection(), database.connection():
            with pytest.raises(DatabaseUnavailable) as refusal:
                await way(database)
            assert refusal.value.headers["Retry-After"] == "1"

        await way(database)


async def test_whoever_waits_gets_a_connection_as_soon_as_one_is_free(dsn: str) -> None:
    async with opened(dsn, pool_size=2) as database:
        answers = await asyncio.gather(
            *(database.fetchval("SELECT $1::int FROM pg_sleep(0.001)", n) for n in range(40))
        )

        assert answers == list(range(40))
        assert database.size == 2
        assert database.idle == 2


async def test_connections_are_passed_on_and_not_made_anew(db: Database) -> None:
    pids = {await db.fetchval("SELECT pg_backend_pid()") for _ in range(20)}

    assert len(pids) == 1
    assert (db.size, db.idle) == (1, 1)


async def test_a_statement_that_takes_too_long_is_given_up(dsn: str) -> None:
    async with opened(dsn, pool_size=2, command_timeout=0.3) as database:
        await connect_all(database, 2)
        with pytest.raises(DatabaseUnavailable):
            await database.execute("SELECT pg_sleep(60)")

        await until_it_answers(database)


async def test_a_cancelled_statement_leaves_no_connection_behind(dsn: str) -> None:
    async with opened(dsn, pool_size=2) as database:
        for ask in (database.fetchrow, database.fetchval, database.execute):
            asked = [asyncio.create_task(ask("SELECT pg_sleep(60)")) for _ in range(4)]
            await asyncio.sleep(0)  # they have set out
            await eventually(lambda: database.size == 2 and database.idle == 0)
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

        answers = await asyncio.gather(*(database.fetchval("SELECT 1") for _ in range(6)))
        assert answers == [1] * 6
        assert database.size <= 2


async def test_a_database_that_is_away_is_one_refusal(dsn: str) -> None:
    for wrong in (
        "postgresql://nobody@127.0.0.1:1/none",
        dsn.replace("/tests_", "/there_is_no_such_"),
        dsn.replace("keyfob@", "there_is_no_such_role@"),
    ):
        async with opened(wrong) as database:
            for way in WAYS:
                with pytest.raises(DatabaseUnavailable):
                    await way(database)


async def test_a_pool_that_was_never_opened_refuses() -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none")

    with pytest.raises(DatabaseUnavailable):
        await database.fetchval("SELECT 1")


async def test_a_server_that_cuts_its_connections_is_found_again(db: Database) -> None:
    async with db.connection() as one, db.connection() as two:
        pids = [await c.fetchval("SELECT pg_backend_pid()") for c in (one, two)]
    assert db.idle == 2
    async with db.connection() as survivor:
        mine = await survivor.fetchval("SELECT pg_backend_pid()")
        (theirs,) = set(pids) - {mine}
        await survivor.execute("SELECT pg_terminate_backend($1)", theirs)
    await eventually(lambda: db.size == 1)

    answers = await asyncio.gather(*(db.fetchval("SELECT 1") for _ in range(6)))

    assert answers == [1] * 6, "nobody is handed the one that was cut"


async def test_a_server_that_hangs_is_given_up_and_found_again(dsn: str) -> None:
    options = {"pool_size": 2, "acquire_timeout": 0.3, "command_timeout": 0.3}
    async with Proxy(dsn).running() as proxy, opened(proxy.dsn, **options) as database:
        await connect_all(database, 2)

        await proxy.begin(Fault.HELD)
        for way in WAYS:
            with pytest.raises(DatabaseUnavailable):
                await way(database)

        await proxy.end()
        await until_it_answers(database)


async def until_it_answers(database: Database) -> None:
    async with asyncio.timeout(20):
        while not await answers(database):
            pass


async def answers(database: Database) -> bool:
    try:
        return bool(await database.fetchval("SELECT 1"))
    except DatabaseUnavailable:
        return False


async def test_whoever_waited_for_a_silent_server_does_not_wait_for_its_rollback(dsn: str) -> None:
    options = {"pool_size": 2, "command_timeout": 60, "acquire_timeout": 5}
    async with Proxy(dsn).running() as proxy, opened(proxy.dsn, **options) as database:
        async with asyncio.timeout(20) as hang:
            with pytest.raises(DatabaseUnavailable):
                await fall_silent(database, proxy)
        assert not hang.expired()

        await proxy.end()
        await eventually(lambda: database.size == 0 or database.idle == 1)
        lost = "SELECT count(*) FROM attempts WHERE key = 'lost'"
        assert await database.fetchval(lost) == 0


async def test_a_statement_that_is_put_away_holds_nobody_up_for_ever(dsn: str) -> None:
    options = {"pool_size": 2, "acquire_timeout": 5, "command_timeout": 0.3}
    async with Proxy(dsn).running() as proxy, opened(proxy.dsn, **options) as database:
        await connect_all(database, 1)
        async with asyncio.timeout(20) as hang:
            with pytest.raises(DatabaseUnavailable):
                await put_away(database, proxy)
        assert not hang.expired()

        await proxy.end()
        await until_it_answers(database)


async def put_away(database: Database, proxy: Proxy) -> None:
    """Hold the way when a second statement was parsed: then asyncpg closes the first."""
    begun: list[asyncio.Task[None]] = []

    def hold(*_: object) -> None:
        begun.append(asyncio.create_task(proxy.begin(Fault.HELD)))

    async with database.connection() as connection:
        await connection.prepare("SELECT 2")  # and let go at once
        connection.add_log_listener(hold)
        await connection.prepare(f"SELECT 3 AS {'long' * 16}")  # the server remarks on the name


async def fall_silent(database: Database, proxy: Proxy) -> None:
    insert = "INSERT INTO attempts (key, count, expires_at) VALUES ('lost', 1, now())"
    async with database.begin() as tx:
        await tx.execute(insert)
        await proxy.begin(Fault.HELD)
        async with asyncio.timeout(0.05):
            await tx.execute(insert)


async def test_a_close_does_not_wait_for_ever(dsn: str) -> None:
    database = Database(dsn, acquire_timeout=0.3, command_timeout=120)
    await database.open()
    await connect_all(database, 1)
    asked = asyncio.create_task(database.execute("SELECT pg_sleep(120)"))
    await asyncio.sleep(0)  # it has set out
    await eventually(lambda: database.size == 1 and database.idle == 0)

    async with asyncio.timeout(20):
        await database.close()

    with pytest.raises(DatabaseUnavailable):
        await asked


@pytest.mark.parametrize("query", ["SELECT nonsense", "SELECT 1 / 0", "not even SQL"])
async def test_a_mistake_of_ours_is_no_absence(db: Database, query: str) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await db.fetchval(query)

    assert await db.fetchval("SELECT 1") == 1


async def test_an_argument_of_the_wrong_kind_is_no_absence(db: Database) -> None:
    for ask in (db.fetchval, db.fetchrow):
        with pytest.raises(asyncpg.DataError):
            await ask("SELECT $1::int", "one")


@pytest.mark.parametrize(
    "fault",
    [
        OSError("gone"),
        TimeoutError(),
        asyncpg.TooManyConnectionsError("full"),
        asyncpg.DiskFullError("full"),
        asyncpg.AdminShutdownError("going"),
        asyncpg.CannotConnectNowError("coming"),
        asyncpg.ReadOnlySQLTransactionError("a replica"),
        asyncpg.ConnectionDoesNotExistError("cut"),
        asyncpg.DeadlockDetectedError("try again"),
        asyncpg.SerializationError("try again"),
        asyncpg.LockNotAvailableError("busy"),
        asyncpg.InterfaceError("closed"),
        asyncpg.InvalidPasswordError("changed"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_every_way_to_be_away_is_one_refusal(fault: Exception) -> None:
    with pytest.raises(DatabaseUnavailable) as refusal, translated_faults():
        raise fault
    assert refusal.value.__cause__ is fault
    assert refusal.value.status == 503


async def test_spare_connections_go_back_to_the_pool_to_rest(db: Database) -> None:
    async with db.connection(), db.connection(), db.connection():
        pass
    open_before = db.size

    await db.rest()

    assert (db.size, db.idle) == (open_before, open_before)
    assert await db.fetchval("SELECT 2") == 2


async def test_clients_take_turns_where_connections_are_waited_for(dsn: str) -> None:
    served: list[str] = []

    async def ask(database: Database, client: str) -> None:
        set_asker(lambda: client)
        await database.fetchval("SELECT 1")
        served.append(client)

    async with opened(dsn, pool_size=1) as database:
        async with database.connection():
            asked = [asyncio.create_task(ask(database, "192.0.2.1")) for _ in range(20)]
            asked += [asyncio.create_task(ask(database, f"2001:db8::{n}:0:0:0:1")) for n in "123"]
            await asyncio.sleep(0)  # they wait
            ours = asyncio.create_task(database.fetchval("SELECT 2"))
            await asyncio.sleep(0)
        assert await ours == 2
        await asyncio.gather(*asked)

    assert [place for place, client in enumerate(served) if ":" in client] == [1, 3, 5]
    assert len(served) == 23


async def test_who_leaves_while_waiting_leaves_no_connection_behind(dsn: str) -> None:
    async with opened(dsn, pool_size=1, acquire_timeout=0.3) as database:
        await connect_all(database, 1)
        async with database.connection():
            patient = [asyncio.create_task(database.fetchval("SELECT 1")) for _ in range(5)]
            left = [asyncio.create_task(database.fetchval("SELECT 1")) for _ in range(5)]
            await asyncio.sleep(0)
            for task in left:
                task.cancel()
            refused = await asyncio.gather(*patient, *left, return_exceptions=True)

        assert [type(one) for one in refused] == [DatabaseUnavailable] * 5 + [
            asyncio.CancelledError
        ] * 5
        assert await database.fetchval("SELECT 3") == 3
        assert database.size == 1


async def test_who_leaves_in_the_moment_of_their_turn_passes_it_on(dsn: str) -> None:
    async with opened(dsn, pool_size=1) as database:
        async with database.connection():
            leaving = asyncio.create_task(database.fetchval("SELECT 1"))
            staying = asyncio.create_task(database.fetchval("SELECT 2"))
            await asyncio.sleep(0)
        leaving.cancel()  # the connection was handed to it just now

        assert await staying == 2
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert database.idle == 1
