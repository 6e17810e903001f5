"""Ready means that what requests need was tried: write, count, a known schema (issue 10: 2.4)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from bench.harness.cluster import free_port
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.logs import captured_log
from tests.fixtures.world import World

from keyfob.core.database import Database
from keyfob.health.service import Health
from keyfob.migrations.head import HEAD
from keyfob.settings import Settings


@asynccontextmanager
async def reading_only(settings: Settings, clock: MovableClock) -> AsyncIterator[World]:
    """The service on a database that takes no writes, as a standby or a full one does not."""
    url = SecretStr(f"{settings.dsn}&default_transaction_read_only=on")
    async with World(settings.model_copy(update={"database_url": url}), clock) as world:
        yield world


async def checks(world: World) -> tuple[int, dict[str, bool]]:
    answer = await world.client("127.0.0.1").get("/health/ready")
    found: dict[str, bool] = answer.json()["checks"]
    return answer.status_code, found


async def test_a_database_that_only_reads_is_not_ready_and_the_log_says_why(
    world: World, settings: Settings, clock: MovableClock
) -> None:
    with captured_log("info") as log:
        async with reading_only(settings, clock) as there:
            status, found = await checks(there)

    assert status == 503
    assert (found["database"], found["writes"]) == (True, False)
    (told,) = log.named("not_ready")
    assert told["part"] == "writes"
    assert "read-only transaction" in told["cause"]


async def test_the_cause_of_a_503_is_logged_once(
    world: World, settings: Settings, clock: MovableClock
) -> None:
    with captured_log("info") as log:
        async with reading_only(settings, clock) as there:
            answers = [await there.attempt_login() for _ in range(3)]

    assert [answer.status_code for answer in answers] == [503] * 3
    (told,) = log.named("unavailable")
    assert (told["problem"], told["level"]) == ("database_unavailable", "warning")
    assert "read-only transaction" in told["cause"]


async def test_a_limit_store_that_is_away_is_not_ready(
    settings: Settings, clock: MovableClock
) -> None:
    given = {"limit_store": SecretStr(f"redis://127.0.0.1:{free_port()}"), "limits": "on"}
    with captured_log("info") as log:
        async with World(settings.model_copy(update=given), clock) as world:
            status, found = await checks(world)
            refused = await world.attempt_login()

    assert (status, found["writes"], found["limit_store"]) == (503, True, False)
    (told,) = log.named("not_ready")
    assert told["part"] == "limit_store"
    assert "Connect" in told["cause"]
    assert refused.status_code == 503
    assert [(told["problem"], "Connect" in told["cause"]) for told in log.named("unavailable")] == [
        ("unavailable", True)
    ]


async def test_a_store_that_nobody_counts_in_is_not_asked(
    settings: Settings, clock: MovableClock
) -> None:
    given = {"limit_store": SecretStr(f"redis://127.0.0.1:{free_port()}")}
    async with World(settings.model_copy(update=given), clock) as world:
        assert (await checks(world))[0] == 200


async def test_a_right_that_was_taken_away_is_not_ready(world: World) -> None:
    await world.db.execute("ALTER TABLE attempts RENAME TO elsewhere")
    try:
        status, found = await checks(world)
    finally:
        await world.db.execute("ALTER TABLE elsewhere RENAME TO attempts")

    assert (status, found["database"], found["writes"]) == (503, True, False)


async def test_a_schema_that_no_release_vouches_for_is_not_ready(
    world: World, db: Database
) -> None:
    await db.execute("UPDATE alembic_version SET version_num = '0099'")
    try:
        with captured_log("info") as log:
            status, found = await checks(world)
    finally:
        await db.execute("UPDATE alembic_version SET version_num = $1", HEAD)

    assert (status, found["migrations"]) == (503, False)
    (told,) = log.named("not_ready")
    assert "the schema is at 0099" in told["cause"]


async def test_a_feed_that_was_never_heard_says_why(
    settings: Settings, clock: MovableClock
) -> None:
    nowhere = SecretStr(f"postgresql://keyfob@127.0.0.1:{free_port()}/keyfob")
    world = World(settings.model_copy(update={"database_direct_url": nowhere}), clock)
    with captured_log("info") as log:
        async with world.app.router.lifespan_context(world.app):
            status, found = await checks(world)

    assert (status, found["revocation_feed"]) == (503, False)
    (told,) = log.named("not_ready")
    assert told["part"] == "revocation_feed"
    assert "Connect" in told["cause"]


async def test_whoever_asks_often_causes_one_write_in_its_time(world: World) -> None:
    world.service(Health).well_for = 60  # longer than forty requests take anywhere
    asked = [world.api.get("/health/ready") for _ in range(40)]
    answers = await asyncio.gather(*asked)

    assert {answer.status_code for answer in answers} == {200}
    assert await world.db.fetchval("SELECT sum(count)::int FROM attempts") == 1


async def test_nor_do_they_cause_more_while_a_part_is_not_well(
    settings: Settings, clock: MovableClock
) -> None:
    given = {"limit_store": SecretStr(f"redis://127.0.0.1:{free_port()}"), "limits": "on"}
    async with World(settings.model_copy(update=given), clock) as world:
        world.service(Health).unwell_for = 60
        answers = [await world.api.get("/health/ready") for _ in range(20)]
        written = await world.db.fetchval("SELECT sum(count)::int FROM attempts")

    assert {answer.status_code for answer in answers} == {503}
    assert written == 1


@pytest.mark.parametrize("method", ["get", "head"])
async def test_it_is_ready_where_all_can_be_done(world: World, method: str) -> None:
    assert (await world.client("127.0.0.1").request(method, "/health/ready")).status_code == 200
