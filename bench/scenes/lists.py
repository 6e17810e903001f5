"""Admin list, page and search: latency at ten times as many users."""

import asyncio
import hashlib
import statistics
import time
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench.harness import figures, servers
from bench.harness.load import Connection, request

SMALL, LARGE = 10_000, 100_000

_FILL = """
WITH made AS (
    INSERT INTO users (id, email, email_normal, name, password_hash, created_at, updated_at)
    SELECT gen_random_uuid(), address, address, left(md5(-n || ''), 6) || ' ' || left(address, 5),
           '-', now() - n * interval '1 second', now()
      FROM generate_series($1::int, $2::int) AS n,
           LATERAL (SELECT left(md5(n || ''), 10) || '@' || n % 97 || '.example') AS a (address)
    RETURNING id
)
INSERT INTO user_activity (user_id, last_active_at)
SELECT id, now() - random() * interval '30 days' FROM made
"""

CALLS = {
    "list": "/admin/users?limit=50",
    "list by activity": "/admin/users?limit=50&sort=-last_active_at",
    "search": f"/admin/users?limit=50&search={hashlib.md5(b'4321').hexdigest()[:10]}",
}


def run(report: figures.Report, dsn: str, rounds: int, seconds: float) -> None:
    larger = asyncio.run(_another_database(dsn))
    settings = {"BCRYPT_COST": 4, "LOG_LEVEL": "error"}
    with servers.keyfob(dsn, **settings) as few, servers.keyfob(larger, **settings) as many:
        asyncio.run(_fill(dsn, SMALL))
        asyncio.run(_fill(larger, LARGE))
        tokens = [asyncio.run(_sign_in(server.port)) for server in (few, many)]
        for name in (*CALLS, "page"):
            at_few, at_many = figures.in_turn(
                rounds,
                lambda name=name: asyncio.run(_p50(few.port, tokens[0], name)),
                lambda name=name: asyncio.run(_p50(many.port, tokens[1], name)),
            )
            report.add(
                f"admin {name}: p50 at {LARGE // 1000}k / at {SMALL // 1000}k users",
                figures.ratios(at_many, at_few),
                1.5,
                f"{min(at_few) * 1000:.2f} ms, then {min(at_many) * 1000:.2f} ms",
                at_most=True,
            )


async def _another_database(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE DATABASE larger")
    await connection.close()
    return urlunsplit(urlsplit(dsn)._replace(path="/larger"))


async def _fill(dsn: str, count: int) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(_FILL, 1, count)
    await connection.execute("VACUUM ANALYZE users")
    await connection.execute("VACUUM ANALYZE user_activity")
    await connection.close()


async def _sign_in(port: int) -> str:
    email, password = servers.ADMIN
    answer = await Connection(servers.HOST, port).send(
        request("POST", "/login", body={"email": email, "password": password})
    )
    token: str = answer.json()["access_token"]
    return token


async def _p50(port: int, token: str, name: str) -> float:
    """Time sixty calls; those of "page" follow the links of sixty pages."""
    connection = Connection(servers.HOST, port)
    path = CALLS.get(name, CALLS["list"])
    seen = []
    for _ in range(60):
        wire = request("GET", path, token=token)
        before = time.perf_counter()
        answer = await connection.send(wire)
        seen.append(time.perf_counter() - before)
        assert answer.status == 200, answer
        if name == "page":
            path = answer.link
    return statistics.median(seen)
