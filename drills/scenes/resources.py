"""Resources of the database run out: connections, and space on the disk."""

import asyncio
import time

import asyncpg
from bench.harness.cluster import Cluster, temporary

from drills.harness.crowd import Size, crowd
from drills.harness.instances import running
from drills.harness.judging import Story
from drills.harness.outcome import Outcome
from drills.harness.truth import lost_promises
from drills.harness.volumes import CannotMount, fill, small_volume
from drills.harness.watch import watch

_POOL = 4

# MiB of a volume that holds an empty cluster, its write-ahead log, and a little more.
_VOLUME = 160


async def pool_exhausted(size: Size) -> Outcome:
    """Somebody else's lock holds every statement, until all connections of the pool are at work.

    Waits are bounded: 503 with `Retry-After` comes within the time-outs, and `/health/live` goes
    on answering.
    """
    story = Story("held every connection of the pool by a lock", size)
    seconds = size.fault_seconds + size.acquire_timeout + size.command_timeout
    with temporary() as cluster:
        settings = {**size.timeouts, "DATABASE_POOL_SIZE": _POOL}
        async with running(cluster.dsn(), **settings) as server:
            async with (
                watch(server.port) as story.life,
                crowd(story.ledger, [server.port], size.clients) as people,
            ):
                await people.acknowledged(size.requests // 2)
                story.faults_at.append(time.monotonic())
                await _hold_lock(cluster.dsn(), seconds)
                story.back_at = time.monotonic()
                await people.acknowledged(size.requests // 2)
                await asyncio.sleep(size.after_seconds)
            return story.outcome(await lost_promises(story.ledger, cluster.dsn(), server.port))


async def _hold_lock(dsn: str, seconds: float) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE users, sessions IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(seconds)
    finally:
        await connection.close()


async def disk_full(size: Size) -> Outcome:
    """The volume under the database, a small tmpfs, is filled to the last byte, and has room again.

    PostgreSQL, which ends when it cannot write its log, is then started again, as its supervisor
    would.
    """
    story = Story("filled the disk under PostgreSQL, made room again", size)
    try:
        with small_volume(_VOLUME) as folder:
            cluster = Cluster(folder)
            cluster.make()
            cluster.start()
            try:
                return await _while_full(story, cluster)
            finally:
                cluster.stop()
    except CannotMount as refusal:
        return Outcome(did=story.did, unavailable=str(refusal))


async def _while_full(story: Story, cluster: Cluster) -> Outcome:
    size = story.size
    async with running(cluster.dsn(), **size.timeouts) as server:
        async with (
            watch(server.port) as story.life,
            crowd(story.ledger, [server.port], size.clients) as people,
        ):
            await people.acknowledged(size.requests // 2)
            story.faults_at.append(time.monotonic())
            ballast = await asyncio.to_thread(fill, cluster.folder)
            await people.until(lambda: story.ledger.refused() > 0)
            await asyncio.sleep(size.fault_seconds)
            ballast.unlink()
            if cluster.process is not None and cluster.process.poll() is not None:
                story.notes.append("PostgreSQL had ended, and was started again")
                await asyncio.to_thread(cluster.start)
            story.back_at = time.monotonic()
            await people.acknowledged(size.requests // 2)
            await asyncio.sleep(size.after_seconds)
        return story.outcome(await lost_promises(story.ledger, cluster.dsn(), server.port))
