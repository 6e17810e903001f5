"""Lists, search and logs at a million users, 3 million sessions and 10 million login events."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from bench.harness import cluster, figures, plans, servers
from bench.harness.clients import registered
from bench.harness.load import Connection, request
from bench.harness.population import Population, fill
from bench.scenes import lists
from bench.scenes.lists import Place

SMALL = Population(10_000, 30_000, 100_000)
LARGE = Population(1_000_000, 3_000_000, 10_000_000)
TRIAL = Population(100_000, 300_000, 1_000_000)  # of a run of less than two seconds a side
PLANS = Path(".bench/plans")
_CALLS_OF_LOGS = {
    "admin login log": "/admin/logins?limit=50",
    "admin login log, refused": "/admin/logins?limit=50&outcome=refused",
    "admin login log of an address": "/admin/logins?limit=50&ip_address=10.0.7.7",
}
_CALLS_OF_ONE = {"own login log": "/me/logins?limit=50", "own sessions": "/me/sessions"}
_BIG_TABLES = ("users", "user_activity", "sessions", "login_events")
_CALLS_UNTIL_PLANS_SETTLE = 12  # PostgreSQL considers a plan for any value after five


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    large = LARGE if seconds >= 2 else TRIAL
    with cluster.temporary({"max_wal_size": "8GB", "checkpoint_timeout": "15min"}) as postgres:
        dsns = [postgres.create(name) for name in ("few", "many")]
        for dsn, population in zip(dsns, (SMALL, large), strict=True):
            with servers.keyfob(dsn, **lists.SETTINGS):
                pass  # migrates
            started = time.monotonic()
            fill(dsn, population)
            report.note(f"Filled {population.users} users in {time.monotonic() - started:.0f} s.")
        with (
            servers.keyfob(dsns[0], **lists.SETTINGS) as few,
            servers.keyfob(dsns[1], **lists.SETTINGS) as many,
        ):
            ports = (few.port, many.port)
            _time_all(report, ports, (SMALL.users, large.users), rounds)
        _look_at_plans(report, postgres, dsns[1])


def _time_all(
    report: figures.Report, ports: Sequence[int], users: Sequence[int], rounds: int
) -> None:
    admins = [
        Place(port, lists.admin_token(port), count)
        for port, count in zip(ports, users, strict=True)
    ]
    people = [
        Place(port, asyncio.run(_somebody(port)), count)
        for port, count in zip(ports, users, strict=True)
    ]
    for name, path in {**lists.CALLS, **_CALLS_OF_LOGS}.items():
        lists.compare(report, name, path, admins, rounds, 2.0)
    for name, path in _CALLS_OF_ONE.items():
        lists.compare(report, name, path, people, rounds, 2.0)


async def _somebody(port: int) -> str:
    """Register somebody, who signs in a few times; return an access token."""
    connection = Connection(servers.HOST, port)
    _email, tokens = await registered(connection)
    connection.close()
    access: str = tokens["access_token"]
    return access


def _look_at_plans(report: figures.Report, postgres: cluster.Cluster, dsn: str) -> None:
    """Make every call again with its plans logged: none may read a big table from end to end."""
    plans.explain_all(postgres, "many")
    with servers.keyfob(dsn, **lists.SETTINGS) as explained:
        admin = lists.admin_token(explained.port)
        somebody = asyncio.run(_somebody(explained.port))
        calls = [(admin, path) for path in {**lists.CALLS, **_CALLS_OF_LOGS}.values()]
        calls += [(somebody, path) for path in _CALLS_OF_ONE.values()]
        asyncio.run(_call(explained.port, calls))
    seen = plans.logged(postgres)
    assert len(seen) > len(calls) * _CALLS_UNTIL_PLANS_SETTLE, "the plans were not logged"
    scans = plans.sequential_scans(seen, _BIG_TABLES)
    PLANS.mkdir(parents=True, exist_ok=True)
    for number, scan in enumerate(scans[:5]):
        path = PLANS / f"{scan.table}-{number}.json"
        path.write_text(scan.plan)
        print(f"{scan.rows:.0f} rows of {scan.table} read from end to end: {path}")
    report.add(
        "reads of a big table from end to end",
        [len(scans)],
        0,
        f"of {len(seen)} statements run by these calls",
        at_most=True,
    )


async def _call(port: int, calls: Sequence[tuple[str, str]]) -> None:
    connection = Connection(servers.HOST, port)
    for token, path in calls:
        for _ in range(_CALLS_UNTIL_PLANS_SETTLE):
            answer = await connection.send(request("GET", path, token=token))
            assert answer.status == 200, answer
    connection.close()
