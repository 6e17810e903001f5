"""Which shards a statement meets: its plan tells, and the tables that were written."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import asyncpg

from drills.scaling.statements import Asked, Sample


class Recorder:
    """Stands in for a database: it keeps what it is asked, and answers that nothing was found."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        self.asked.append((query, values))
        return []

    async def fetchrow(self, query: str, *values: Any) -> None:
        self.asked.append((query, values))

    async def fetch_hot(self, query: str, *values: Any) -> list[Any]:
        return await self.fetch(query, *values)

    async def fetchval(self, query: str, *values: Any) -> None:
        self.asked.append((query, values))

    async def execute(self, query: str, *values: Any) -> str:
        self.asked.append((query, values))
        return "DONE 0"


async def shards_met(
    connection: "asyncpg.Connection[asyncpg.Record]", asked: Asked, sample: Sample, plan: str
) -> set[int]:
    """Run what is asked, undo it, and return the shards whose tables were opened for it.

    `plan`: `force_custom_plan` or `force_generic_plan`; PostgreSQL chooses between both.
    """
    recorder = Recorder()
    with suppress(LookupError, TypeError, ValueError):  # it wants a row; by then it has asked
        await asked.ask(recorder, sample)
    met: set[int] = set()
    for query, values in recorder.asked:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(f"SET LOCAL plan_cache_mode = {plan}")
            before = await _written(connection)
            told = await connection.fetchval(
                f"EXPLAIN (ANALYZE, COSTS off, TIMING off, FORMAT json) {query}", *values
            )
            written = await _written(connection) - before
            names = {*_scanned(json.loads(told)[0]["Plan"]), *(name for name, _ in written)}
        finally:
            await transaction.rollback()
        met |= {int(found[1]) for name in names if (found := re.search(r"_s(\d)$", name))}
    return met


def _scanned(plan: Mapping[str, Any]) -> Iterator[str]:
    """Name the tables of a plan that were looked at when it ran."""
    if plan.get("Actual Loops", 0) > 0 and "Relation Name" in plan:
        yield plan["Relation Name"]
    for part in plan.get("Plans", []):
        yield from _scanned(part)


async def _written(connection: "asyncpg.Connection[asyncpg.Record]") -> set[tuple[str, int]]:
    """Tell how many rows of each table were written: a plan does not tell where a row went."""
    rows = await connection.fetch(
        "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del AS rows FROM pg_stat_xact_user_tables"
    )
    return {(row["relname"], row["rows"]) for row in rows}
