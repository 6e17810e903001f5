"""Sessions and the login log divided into shards: all of the service on them, every plan read."""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import replace

import asyncpg
from bench.harness.cluster import Cluster, temporary

from drills.harness.crowd import Size, crowd
from drills.harness.judging import Story
from drills.harness.outcome import Outcome
from drills.harness.truth import lost_promises
from drills.scaling.fleet import fleet
from drills.scaling.plans import shards_met
from drills.scaling.programs import EXAMPLES
from drills.scaling.statements import SHARDS, STATEMENTS, Asked, Sample, unlisted

_LAYOUT = "sharded.sql"
_REFRESH = "rotate_session"


async def sharded(size: Size) -> Outcome:
    """Two instances serve on the layout of docs/scaling/sharded.sql; then every plan is read.

    A refresh must meet one shard, whether PostgreSQL plans it for its values or for any; no other
    statement that a session often asks may meet more.
    """
    did = f"served on sessions and a login log in {SHARDS} shards with two instances"
    story = Story(did, size, may_refuse=False, must_refuse=False)
    with temporary() as cluster:
        async with fleet(cluster.dsn(), 1):
            pass  # its start made the tables
        await asyncio.to_thread(_divide, cluster)
        async with fleet(cluster.dsn(), 2) as members:
            ports = [member.port for member in members]
            async with crowd(story.ledger, ports, size.clients) as people:
                await people.acknowledged(2 * size.requests)
            met = await _met(cluster.dsn())
            lost = await lost_promises(story.ledger, cluster.dsn(), ports[0])
            spread = await _spread(cluster.dsn())
    story.unexpected += _too_many(met)
    story.notes.append(f"sessions per shard: {min(spread)} to {max(spread)}")
    figures = {name: float(shards) for name, shards in met.items()}
    return replace(story.outcome(lost), figures=figures)


def _too_many(met: Mapping[str, int]) -> list[str]:
    """Tell what crosses shards and must not, and what nobody looked at."""
    often = [name for name, asked in STATEMENTS.items() if asked.often]
    return [
        *(f"nobody reads the plan of {name}" for name in unlisted()),
        *(f"{name} meets {met[name]} shards" for name in often if met[name] > 1),
        *([] if met[_REFRESH] == 1 else [f"a refresh meets {met[_REFRESH]} shards"]),
    ]


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
