"""The database, or the way to it, goes away and comes back."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from bench.harness.cluster import Cluster, temporary

from drills.harness.crowd import Size, crowd
from drills.harness.instances import LONGEST_RECOVERY, running
from drills.harness.ledger import Ledger
from drills.harness.outcome import Outcome
from drills.harness.proxy import Fault, Proxy
from drills.harness.truth import lost_promises
from drills.harness.watch import watch
from drills.harness.wire import Break

# Seconds that a slow way adds to each read, in each direction.
_SLOW = 0.25

Step = Callable[[], Awaitable[object]]


async def database_killed(size: Size) -> Outcome:
    """PostgreSQL and all its backends are killed (`kill -9`), and started again after a while."""
    with temporary() as cluster:

        async def kill() -> None:
            cluster.kill()

        async def start() -> None:
            await asyncio.to_thread(cluster.start)

        return await _while_away(
            size, cluster, cluster.dsn(), kill, start, "killed PostgreSQL, started it again"
        )


async def database_black_holed(size: Size) -> Outcome:
    """The way to PostgreSQL swallows every byte: connections are taken and nothing is answered."""
    return await _on_a_way(size, Fault.HELD, "black-holed the way to PostgreSQL")


async def database_resetting(size: Size) -> Outcome:
    """Every connection to PostgreSQL is reset, and so is every new one."""
    return await _on_a_way(size, Fault.RESETTING, "reset every connection to PostgreSQL")


async def database_slow(size: Size) -> Outcome:
    """Every read from and to PostgreSQL comes a quarter of a second late."""
    return await _on_a_way(size, Fault.SLOW, "slowed the way to PostgreSQL down")


async def _on_a_way(size: Size, fault: Fault, did: str) -> Outcome:
    with temporary() as cluster:
        async with Proxy(cluster.dsn(), delay=_SLOW).running() as proxy:
            return await _while_away(
                size, cluster, proxy.dsn, lambda: proxy.begin(fault), proxy.end, did
            )


async def _while_away(
    size: Size, cluster: Cluster, dsn: str, take: Step, bring_back: Step, did: str
) -> Outcome:
    """Take the database away under load, bring it back, and see what came of it.

    A request that meets the fault is answered with 503 and `Retry-After` within the time-outs of
    the settings: never with 500, never with nothing.
    """
    ledger = Ledger()
    async with running(dsn, **size.timeouts) as server:
        async with watch(server.port) as life, crowd(ledger, [server.port], size.clients) as people:
            await people.acknowledged(size.requests // 2)
            fault_at = time.monotonic()
            await take()
            await asyncio.sleep(size.fault_seconds)
            await bring_back()
            back_at = time.monotonic()
            await people.acknowledged(size.requests // 2)
            await asyncio.sleep(size.after_seconds)
        lost = await lost_promises(ledger, cluster.dsn(), server.port)
    early = ledger.refused(until=fault_at)
    felt = ledger.refused() > 0 or ledger.slowest() > 2 * _SLOW
    recovered, slowest = ledger.recovered_in(back_at), ledger.slowest()
    return Outcome(
        did=did,
        in_flight=ledger.in_flight(fault_at),
        acknowledged=ledger.acknowledged,
        refused=ledger.refused(),
        lost=lost,
        unexpected=[
            *ledger.complaints(),
            *ledger.broken(*Break),
            *life.complaints(),
            *([f"{early} x 503 before the fault"] if early else []),
            *([] if felt else ["nobody felt the fault"]),
        ],
        recovered_in=recovered,
        late=[
            *life.late(),
            *([f"an answer took {slowest:.2f} s"] if slowest > size.longest_answer else []),
            *(["no recovery in time"] if recovered is None or recovered > LONGEST_RECOVERY else []),
        ],
        notes=[f"the slowest answer took {slowest:.2f} s"],
    )
