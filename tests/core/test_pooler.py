"""Behind PgBouncer in transaction mode: any statement may run in any session."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.event_streams import streaming
from tests.fixtures.feed import Follower, token_of_reader
from tests.fixtures.fuzzing import listening
from tests.fixtures.pgbouncer import find_program, knows_prepared_statements, pgbouncer_before
from tests.fixtures.revoked import assert_refused_within_a_second
from tests.fixtures.world import PASSWORD, SignedIn, World, eventually

from keyfob import boot
from keyfob.audit.service import Audit
from keyfob.core.connections import Pooler
from keyfob.core.database import Database
from keyfob.core.polling import PolledFeed
from keyfob.core.problems import DatabaseUnavailable
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_program() is None, reason="there is no pgbouncer here"),
]

SESSIONS = 3
_LEFT_BEHIND = """
    SELECT (SELECT count(*) FROM pg_prepared_statements WHERE name <> ''),
           (SELECT count(*) FROM pg_listening_channels()),
           current_setting('jit')
"""
MODES: list[Pooler] = ["transaction", "prepared"]


@pytest.fixture(params=MODES)
def pooler(request: pytest.FixtureRequest) -> Pooler:
    mode: Pooler = request.param
    if mode == "prepared" and not knows_prepared_statements():
        pytest.skip("this pgbouncer is older than 1.21 and knows no prepared statements")
    return mode


@pytest.fixture
def pooled(empty_dsn: str, pooler: Pooler) -> Iterator[str]:
    """The way through PgBouncer, which has fewer sessions than anybody here has connections."""
    with pgbouncer_before(empty_dsn, sessions=SESSIONS, prepared=pooler == "prepared") as dsn:
        yield dsn


@pytest.fixture
def behind(settings: Settings, pooled: str, pooler: Pooler) -> Settings:
    return settings.model_copy(
        update={"database_url": SecretStr(pooled), "database_pooler": pooler}
    )


@asynccontextmanager
async def opened(dsn: str, pooler: Pooler) -> AsyncIterator[Database]:
    database = Database(dsn, pool_size=10, pooler=pooler)
    await database.open()
    yield database
    await database.close()


async def test_statements_and_transactions_of_many_connections_do_not_meet(
    pooled: str, pooler: Pooler
) -> None:
    async def alone(db: Database, number: int) -> list[object]:
        columns = ", ".join(f"$1::integer + {n}" for n in range(number % 7 + 1))
        row = await db.fetchrow(f"SELECT {columns}", number)
        return list(row or ())

    async def together(db: Database, number: int) -> bool:
        async with db.begin() as tx:
            await tx.execute("SELECT set_config('keyfob.seen', $1, true)", str(number))
            sessions = {await tx.fetchval("SELECT pg_backend_pid()") for _ in range(3)}
            seen = await tx.fetchval("SELECT current_setting('keyfob.seen')")
            return len(sessions) == 1 and seen == str(number)

    async with opened(pooled, pooler) as one, opened(pooled, pooler) as two:
        for _ in range(5):
            results = await asyncio.gather(
                *(alone(db, number) for number in range(40) for db in (one, two)),
                *(together(db, number) for number in range(20) for db in (one, two)),
            )
            expected = [[n + m for m in range(n % 7 + 1)] for n in range(40) for _ in (one, two)]
            assert results == expected + [True] * 40


async def test_json_and_arrays_pass(pooled: str, pooler: Pooler) -> None:
    async with opened(pooled, pooler) as db:
        row = await db.fetchrow(
            "SELECT $1::jsonb AS said, $2::text[] AS words", {"a": [1, None]}, ["x"]
        )
    assert row is not None
    assert dict(row) == {"said": {"a": [1, None]}, "words": ["x"]}


async def test_a_session_is_left_as_it_was_found(empty_dsn: str) -> None:
    """The case of jit being off for a role or database: asyncpg turns it off to look a type up."""
    direct = await asyncpg.connect(empty_dsn)
    name = await direct.fetchval("SELECT current_database()")
    await direct.execute(f"ALTER DATABASE {name} SET jit = off")
    try:
        with pgbouncer_before(empty_dsn, sessions=SESSIONS) as dsn:
            async with opened(dsn, "transaction") as db:
                await asyncio.gather(*(db.fetchval("SELECT $1::uuid[]", []) for _ in range(30)))
                found = await asyncio.gather(*(db.fetchrow(_LEFT_BEHIND) for _ in range(30)))
    finally:
        await direct.execute(f"ALTER DATABASE {name} RESET jit")
        await direct.close()

    assert {tuple(row) for row in found if row} == {(0, 0, "off")}


async def test_what_is_not_told_of_the_pooler_is_refused_and_not_served_wrongly(
    pooled: str,
) -> None:
    async with opened(pooled, "none") as db:
        with pytest.raises(DatabaseUnavailable):
            await db.fetchval("SELECT 1")


async def test_a_migration_may_go_through_it_again_and_again(
    unmigrated_dsn: str, settings: Settings, pooler: Pooler
) -> None:
    with pgbouncer_before(unmigrated_dsn, sessions=2, prepared=pooler == "prepared") as dsn:
        behind = settings.model_copy(
            update={"database_url": SecretStr(dsn), "database_pooler": pooler}
        )
        for target in ("head", "-1", "head"):
            await asyncio.to_thread(boot.migrate, behind, target)
            assert await boot.schema_is_current(behind) == (target == "head")


async def test_everything_works_through_it(behind: Settings, clock: MovableClock) -> None:
    async with World(behind, clock) as one, World(behind, clock) as two:
        assert isinstance(one.wiring.feed, PolledFeed)
        admin = await one.make_admin()
        people = await asyncio.gather(
            *(
                (one, two)[number % 2].api.post(
                    "/register", json={"email": f"p{number}@example.com", "password": PASSWORD}
                )
                for number in range(24)
            )
        )
        signed_in = [SignedIn.of(answer) for answer in people]
        for _ in range(3):
            answers = await asyncio.gather(*(two.refresh(each.refresh) for each in signed_in))
            signed_in = [SignedIn.of(answer) for answer in answers]
        assert [(await one.me(each)).status_code for each in signed_in] == [200] * 24

        listed = await two.api.get("/admin/users", params={"search": "p1"}, headers=admin.headers)
        assert listed.status_code == 200
        assert int(listed.headers["x-total-count"]) == 11  # p1, p10 to p19

        (await one.api.delete("/logout-all", headers=signed_in[0].headers)).raise_for_status()
        assert (await one.me(signed_in[0])).status_code == 401
        await assert_refused_within_a_second(two, signed_in[0])
        assert (await two.refresh(signed_in[0].refresh)).status_code == 401

        for world in (one, two):
            assert (await world.api.get("/health/ready")).status_code == 200
        assert (await one.service(Audit).verify()).broken_at is None


async def test_a_rotated_key_is_known_to_the_other_worker(
    behind: Settings, clock: MovableClock
) -> None:
    async with World(behind, clock) as one, World(behind, clock) as two:
        await one.make_user()
        kid = await one.service(Keyring).rotate(compromised=True)
        await eventually(lambda: two.service(Keyring).find(kid), 1.0)
        ada = await one.log_in()
        assert (await two.me(ada)).status_code == 200


async def test_the_revocation_feed_is_followed_through_it(
    behind: Settings, clock: MovableClock
) -> None:
    async with World(behind, clock) as one, World(behind, clock) as two, listening(two) as url:
        follower = Follower(one, await token_of_reader(one))
        await follower.poll()
        await one.make_user()
        async with streaming(url, follower.token, follower.position) as stream:
            await follower.take((await stream.next()).data)
            for _ in range(5):
                ada = await one.log_in()
                await one.api.delete("/logout", headers=ada.headers)
                await follower.take((await stream.until("revocations", follower)).data)
                assert follower.refuses(ada.access)
        assert await follower.poll(by=two) == []


async def test_with_a_direct_url_a_worker_listens(
    behind: Settings, empty_dsn: str, clock: MovableClock
) -> None:
    direct = behind.model_copy(update={"database_direct_url": SecretStr(empty_dsn)})
    async with World(direct, clock) as one, World(direct, clock) as two:
        assert not isinstance(one.wiring.feed, PolledFeed)
        await one.make_user()
        ada = await one.log_in()
        assert (await two.me(ada)).status_code == 200

        await one.api.delete("/logout", headers=ada.headers)

        await assert_refused_within_a_second(two, ada)
