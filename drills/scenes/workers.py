"""Workers that die, and workers that are told to stop."""

import asyncio
import time

from bench.harness.cluster import temporary

from drills.harness.crowd import Size, crowd
from drills.harness.instances import LONGEST_RECOVERY, instance, kill, workers_of
from drills.harness.ledger import Ledger
from drills.harness.outcome import Outcome
from drills.harness.truth import lost_promises
from drills.harness.wire import Break


async def worker_killed(size: Size) -> Outcome:
    """One of two workers is killed (`kill -9`) in the middle of mixed requests.

    Connections to the dead worker may break; nobody is refused, the other worker serves, and a new
    one joins in.
    """
    ledger = Ledger()
    with temporary() as cluster, instance(cluster.dsn(), WORKERS=2) as server:
        async with crowd(ledger, [server.port], size.clients) as people:
            await people.acknowledged(size.requests // 2)
            before = workers_of(server)
            fault_at = time.monotonic()
            kill(before[0])
            await people.acknowledged(size.requests // 2)
            await people.until(lambda: len(set(workers_of(server)) - set(before)) == 1)
            joined = time.monotonic() - fault_at
            await asyncio.sleep(size.after_seconds)
        lost = await lost_promises(ledger, cluster.dsn(), server.port)
    recovered = ledger.recovered_in(fault_at)
    return Outcome(
        did="killed one of two workers",
        in_flight=ledger.in_flight(fault_at),
        acknowledged=ledger.acknowledged,
        refused=ledger.refused(),
        lost=lost,
        unexpected=[
            *ledger.complaints(),
            *ledger.broken(Break.HUNG, Break.REFUSED),
            *([f"{ledger.refused()} x 503"] if ledger.refused() else []),
        ],
        recovered_in=recovered,
        late=[] if recovered is not None and recovered <= LONGEST_RECOVERY else ["no recovery"],
        notes=[f"a new worker after {joined:.2f} s"],
    )
