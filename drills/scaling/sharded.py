"""Sessions and the login log divided into shards: all of the service on them, every plan read."""

import asyncio
import shutil

import asyncpg
from bench.harness.cluster import Cluster, temporary

from drills.harness.crowd import Size, crowd
from drills.harness.ledger import Ledger
from drills.harness.outcome import Outcome
from drills.harness.truth import lost_promises
from drills.harness.wire import Break
from drills.scaling.fleet import fleet
from drills.scaling.programs import EXAMPLES
from drills.scaling.statements import SHARDS, STATEMENTS, Asked, Sample, shards_met, unlisted

_LAYOUT = "sharded.sql"
_REFRESH = "rotate_session"


async def sharded(size: Size) -> Outcome:
    """Two instances serve on the layout of docs/scaling/sharded.sql; then every plan is read.

    A refresh must meet one shard, whether PostgreSQL plans it for its values or for any; no other
    statement that a session often asks may meet more.
    """
    ledger = Ledger()
    with temporary() as cluster:
        async with fleet(cluster.dsn(), 1):
            pass  # its start made the tables
        await asyncio.to_thread(_divide, cluster)
        async with fleet(cluster.dsn(), 2) as members:
            ports = [member.port for member in members]
            async with crowd(ledger, ports, size.clients) as people:
                await people.acknowledged(2 * size.requests)
            met = await _met(cluster.dsn())
            lost = await lost_promises(ledger, cluster.dsn(), ports[0])
            spread = await _spread(cluster.dsn())
    return Outcome(
        did=f"served on sessions and a login log in {SHARDS} shards with two instances",
        acknowledged=ledger.acknowledged,
        refused=ledger.refused(),
        lost=lost,
        unexpected=[
            *ledger.complaints(),
            *ledger.broken(*Break),
            *(f"nobody reads the plan of {name}" for name in unlisted()),
            *(
                f"{name} meets {met[name]} shards"
                for name, asked in STATEMENTS.items()
                if asked.often and met[name] > 1
            ),
            *([] if met[_REFRESH] == 1 else [f"a refresh meets {met[_REFRESH]} shards"]),
        ],
        notes=[f"sessions per shard: {min(spread)} to {max(spread)}"],
        figures={name: float(shards) for name, shards in met.items()},
    )


def _divide(cluster: Cluster) -> None:
    """Run the layout as a user would, with psql."""
    shutil.copyfile(EXAMPLES / _LAYOUT, cluster.folder / _LAYOUT)
    cluster.script(cluster.folder / _LAYOUT)


async def _met(dsn: str) -> dict[str, int]:
    """Return how many shards each statement meets, by the worse of both ways to plan it."""
    connection = await asyncpg.connect(dsn)
    try:
        sample = await Sample.take(connection)
        return {name: await _worst(connection, asked, sample) for name, asked in STATEMENTS.items()}
    finally:
        await connection.close()


async def _worst(
    connection: "asyncpg.Connection[asyncpg.Record]", asked: Asked, sample: Sample
) -> int:
    plans = ("force_custom_plan", "force_generic_plan")
    return max([len(await shards_met(connection, asked, sample, plan)) for plan in plans])


async def _spread(dsn: str) -> list[int]:
    """Count the sessions of each shard."""
    connection = await asyncpg.connect(dsn)
    try:
        return [
            await connection.fetchval(f"SELECT count(*) FROM sessions_s{shard}")
            for shard in range(SHARDS)
        ]
    finally:
        await connection.close()
