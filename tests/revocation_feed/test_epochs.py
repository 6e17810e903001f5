"""Another server of PostgreSQL is another epoch: readers start over, and miss nothing."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from uuid import UUID

import pytest
from bench.harness.cluster import HOST, USER, Cluster, standby, temporary
from pydantic import SecretStr
from tests.fixtures.clock import MovableClock
from tests.fixtures.event_streams import streaming
from tests.fixtures.feed import Follower, token_of_reader
from tests.fixtures.fuzzing import listening
from tests.fixtures.postgres import create_empty_database, migrate
from tests.fixtures.world import World, eventually

from keyfob.devdb.programs import Account, Programs
from keyfob.sessions.revocations import Revocations
from keyfob.settings import Settings

pytestmark = pytest.mark.slow

ADA, BOB, EVE = (UUID(int=number) for number in (1, 2, 3))


async def revoke(world: World, of: UUID) -> None:
    async with world.db.begin() as tx:
        await world.service(Revocations).revoke(tx, [(of, 0)])


def restore(dsn: str, elsewhere: str) -> None:
    """Dump a database, and restore it into an empty one of another server."""
    tools = Programs.for_account(Account(os.getuid(), os.getgid(), borrowed=False)).folder
    dump = subprocess.run(
        [tools / "pg_dump", "--no-owner", dsn], capture_output=True, text=True, check=True
    )
    # The oldest server does not know each setting that the newest pg_dump begins with.
    subprocess.run(
        [tools / "psql", "--quiet", elsewhere],
        input=dump.stdout,
        capture_output=True,
        text=True,
        check=True,
    )


def ids_of(entries: list[dict[str, str]]) -> set[UUID]:
    return {UUID(entry["sid"]) for entry in entries}


@pytest.fixture(params=["older", "newer"])
def servers(
    request: pytest.FixtureRequest, postgres: str, postgres_15: str, worker_id: str
) -> tuple[str, str]:
    """A migrated database, and an empty one on an older or a newer server.

    The role is an ordinary one on the older server.
    """
    both = (postgres, postgres_15) if request.param == "older" else (postgres_15, postgres)
    one, two = [create_empty_database(server, f"epochs_{worker_id}") for server in both]
    migrate(one)
    return one, two


async def test_a_dump_that_was_restored_elsewhere(
    settings: Settings, clock: MovableClock, servers: tuple[str, str]
) -> None:
    """Its rows have numbers of the other server, which is ahead of this one, or behind."""
    here, there = [settings.model_copy(update={"database_url": SecretStr(dsn)}) for dsn in servers]
    async with World(here, clock) as world:
        follower = Follower(world, await token_of_reader(world))
        await revoke(world, ADA)
        assert ids_of(await follower.poll()) == {ADA}
        # Not in this loop: what the dump waits for may be a transaction of this very service.
        await asyncio.to_thread(restore, *servers)
        await revoke(world, BOB)  # is lost with the server
        assert ids_of(await follower.poll()) == {BOB}
    async with World(there, clock) as world:
        follower.world = world
        await revoke(world, EVE)
        assert ids_of(await follower.poll()) == {ADA, EVE}
        assert follower.documents[-1]["complete"]
        async with (
            listening(world) as url,
            streaming(url, follower.token, follower.position) as stream,
        ):
            await follower.take((await stream.next()).data)
            for of in (ADA, BOB):
                await revoke(world, of)
                event = await stream.until("revocations", follower)
                assert of in ids_of((await follower.take(event.data))["entries"])


@pytest.fixture
def replicated() -> Iterator[tuple[Cluster, Cluster]]:
    """A migrated primary, and a standby of it."""
    with temporary({}) as primary:
        migrate(primary.dsn())
        with standby(primary) as second:
            yield primary, second


async def test_a_standby_that_is_promoted(
    settings: Settings, clock: MovableClock, replicated: tuple[Cluster, Cluster]
) -> None:
    primary, second = replicated
    hosts = f"{HOST}:{primary.port},{HOST}:{second.port}"
    dsn = f"postgresql://{USER}@{hosts}/postgres?target_session_attrs=read-write"
    both = settings.model_copy(update={"database_url": SecretStr(dsn)})
    async with World(both, clock) as world, listening(world) as url:
        follower = Follower(world, await token_of_reader(world))
        await revoke(world, ADA)
        assert ids_of(await follower.poll()) == {ADA}
        async with streaming(url, follower.token, follower.position) as stream:
            await stream.next()
            primary.kill()
            await eventually(lambda: not world.wiring.feed.is_live)
            await asyncio.to_thread(second.promote)
            await eventually(lambda: world.wiring.feed.is_live, 60)
            assert (await stream.until("start-over")).data == '{"reason": "epoch"}'
        await revoke(world, BOB)
        assert ids_of(await follower.poll()) == {ADA, BOB}
        assert follower.documents[-1]["complete"]
