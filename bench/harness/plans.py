"""The plans that PostgreSQL really ran, read from its log by auto_explain."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg

from bench.harness.cluster import Cluster

_SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_format": "json",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "log_line_prefix": "",
}

_MANY = 1000


@dataclass(frozen=True)
class Scan:
    """A sequential scan of a table, how many rows it read, and the plan that held it."""

    table: str
    rows: float
    plan: str


def explain_all(cluster: Cluster, database: str) -> None:
    """Have every plan of connections made from now on written to the server's log."""
    asyncio.run(_set(cluster, database))


async def _set(cluster: Cluster, database: str) -> None:
    connection = await asyncpg.connect(cluster.dsn())
    for name, value in _SETTINGS.items():
        if name == "log_line_prefix":
            await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        else:
            await connection.execute(f"ALTER DATABASE \"{database}\" SET {name} = '{value}'")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


def logged(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the plans in the log, each with its statement."""
    text = (cluster.folder / "log").read_text(errors="replace")
    plans = []
    for found in re.finditer(r"duration: [0-9.]+ ms  plan:\n", text):
        lines = []
        for line in text[found.end() :].splitlines():
            if not line.startswith("\t"):
                break
            lines.append(line)
        plans.append(json.loads("\n".join(lines)))
    return plans


def sequential_scans(plans: list[dict[str, Any]], tables: tuple[str, ...]) -> list[Scan]:
    """Find the scans of these tables, or of their partitions, that read many rows without an index.

    To read the empty partition of a month to come from end to end is no fault.
    """
    found = []
    for plan in plans:
        for node in _nodes(plan["Plan"]):
            table = node.get("Relation Name", "")
            rows = node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)
            read = rows * node.get("Actual Loops", 1)
            if node["Node Type"] == "Seq Scan" and table.startswith(tables) and read >= _MANY:
                found.append(Scan(table, read, json.dumps(plan, indent=1)))
    return found


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)
