"""The database, or the way to it, goes away and comes back.

A request that meets the fault is answered with 503 and `Retry-After` within the time-outs of the
settings: never with 500, never with nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from bench.harness.cluster import Cluster, temporary

from drills.harness.crowd import Size, crowd
from drills.harness.instances import running
from drills.harness.judging import Story
from drills.harness.outcome import Outcome
from drills.harness.proxy import Fault, Proxy
from drills.harness.truth import lost_promises
from drills.harness.watch import watch

# Seconds that a slow way adds to each read, in each direction.
_SLOW = 0.25

Step = Callable[[], Awaitable[object]]


async def database_killed(size: Size) -> Outcome:
    """PostgreSQL and all its backends are killed (`kill -9`), and started again after a while."""
    story = Story("killed PostgreSQL, started it again", size)
    with temporary() as cluster:

        async def kill() -> None:
            cluster.kill()

        async def start() -> None:
            await asyncio.to_thread(cluster.start)

        return await _while_away(story, cluster, cluster.dsn(), kill, start)


async def database_black_holed(size: Size) -> Outcome:
    """The way to PostgreSQL swallows every byte: connections are taken and nothing is answered."""
    seconds = size.fault_seconds + size.acquire_timeout + size.command_timeout
    return await _on_a_way(Story("black-holed the way to PostgreSQL", size), Fault.HELD, seconds)


async def database_resetting(size: Size) -> Outcome:
    """Every connection to PostgreSQL is reset, and so is every new one."""
    return await _on_a_way(Story("reset every connection to PostgreSQL", size), Fault.RESETTING)


async def database_slow(size: Size) -> Outcome:
    """Every read from and to PostgreSQL comes a quarter of a second late: answers take longer."""
    story = Story("slowed the way to PostgreSQL down", size, must_refuse=False)
    outcome = await _on_a_way(story, Fault.SLOW)
    if story.ledger.slowest() < 2 * _SLOW:
        outcome.unexpected.append("nobody felt the fault")
    return outcome


async def _on_a_way(story: Story, fault: Fault, seconds: float = 0.0) -> Outcome:
    with temporary() as cluster:
        async with Proxy(cluster.dsn(), delay=_SLOW).running() as proxy:
            return await _while_away(
                story, cluster, proxy.dsn, lambda: proxy.begin(fault), proxy.end, seconds
            )


async def _while_away(
    story: Story,
    cluster: Cluster,
    dsn: str,
    take: Step,
    bring_back: Step,
    seconds: float = 0.0,
) -> Outcome:
    """Take the database away under load, bring it back, and see what came of it."""
    size, ledger = story.size, story.ledger
    async with running(dsn, **size.timeouts) as server:
        async with watch(server.port) as life, crowd(ledger, [server.port], size.clients) as people:
            await people.acknowledged(size.requests // 2)
            story.life = life
            story.faults_at.append(time.monotonic())
            await take()
            await asyncio.sleep(seconds or size.fault_seconds)
            await bring_back()
            story.back_at = time.monotonic()
            await people.acknowledged(size.requests // 2)
            await asyncio.sleep(size.after_seconds)
        return story.outcome(await lost_promises(ledger, cluster.dsn(), server.port))
